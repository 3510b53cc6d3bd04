"""The built Keras model against its plan, and what the seed promises."""

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import ModelSection
from cae.kinds.catalogue import BOTTLENECKS, DOWNSAMPLINGS, upsampling_variants
from cae.kinds.convolutions import Sum, TiedConvolution
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.plan.lowering import Device, FoldedConvolution, lower, lowered_macs

UPSAMPLING = [upsampling.model_dump() for upsampling in upsampling_variants()]
DOWNSAMPLING = [kind.model_fields["kind"].default for kind in DOWNSAMPLINGS]
CAN_BE_TIED = [kind.model_fields["kind"].default for kind in DOWNSAMPLINGS if kind.can_be_tied]
SMALL_CODES = {"spatial": {"channels": 3}, "dense": {"units": 5}}
BOTTLENECK = [
    {"kind": name, **SMALL_CODES.get(name, {})} for name in (kind.model_fields["kind"].default for kind in BOTTLENECKS)
]


def kind_of(choice):
    return choice if isinstance(choice, str) else "-".join(str(value) for value in choice.values())


def section(upsampling, downsampling="max_pool", bottleneck="none", **encoder):
    encoder = {"filters": [4, 8], "downsampling": downsampling} | encoder
    return ModelSection.model_validate(
        {"encoder": encoder, "bottleneck": bottleneck, "decoder": {"upsampling": upsampling}}
    )


OWN_DOWNSAMPLING = {"max_unpool": ["max_pool"], "learned_indices": ["learned_indices"]}
OWN_UPSAMPLING = {name: ["subpixel", "haar"] for name in ("space_to_depth", "haar")}
OWN_UPSAMPLING["learned_indices"] = ["learned_indices", "fixed_unpool"]  # others would do as well
WAYS = [
    (up, down)
    for up, down in itertools.product(UPSAMPLING, DOWNSAMPLING)
    if down in OWN_DOWNSAMPLING.get(up["kind"], DOWNSAMPLING) and up["kind"] in OWN_UPSAMPLING.get(down, [up["kind"]])
]
# Each way up with each way down at both sizes below, and each of them with each bottleneck: two or three in turn.
COMBINATIONS = [
    (up, down, BOTTLENECK[(number + turn) % len(BOTTLENECK)], turn % 2)
    for number, (up, down) in enumerate(WAYS)
    for turn in range(3 if up["kind"] in OWN_DOWNSAMPLING else 2)
]


def test_every_way_up_and_down_is_built_with_every_bottleneck():
    for place in (0, 1):
        for way in {str(combination[place]) for combination in COMBINATIONS}:
            found = [bottleneck for *both, bottleneck, _ in COMBINATIONS if str(both[place]) == way]
            assert all(bottleneck in found for bottleneck in BOTTLENECK), way


@pytest.mark.parametrize(
    ("upsampling", "downsampling", "bottleneck", "number"),
    COMBINATIONS,
    ids=["/".join(kind_of(choice) for choice in combination[:3]) for combination in COMBINATIONS],
)
def test_the_model_has_the_plans_shapes_and_parameters(upsampling, downsampling, bottleneck, number):
    only_2 = "haar" in (upsampling["kind"], downsampling)
    shape, factor = [((13, 22, 3), 2), ((19, 11, 1), 2 if only_2 else 3)][number]
    size = {"strided_conv": {"strides": factor}, "haar": {}}.get(downsampling, {"pool_size": factor})
    filters = [factor**2, 2 * factor**2]  # divisible for the additive kind
    wanted = section(
        upsampling,
        {"kind": downsampling, **size},
        bottleneck,
        filters=filters,
        normalization=["none", "batch"][number],
        convs_per_stage=1 + number,
        residual_blocks=number,
    )
    plan = make_plan(wanted, shape)
    autoencoder = build_autoencoder(plan)
    assert autoencoder.model.count_params() == plan.parameters
    assert autoencoder.model.output_shape == (None, *shape)
    for part, operations in ((autoencoder.encoder, plan.encoder), (autoencoder.decoder, plan.decoder)):
        for operation in operations:
            layer = part.get_layer(operation.name)
            output = layer.output[0] if isinstance(layer.output, (list, tuple)) else layer.output
            flat = (1,) * (3 - len(output.shape[1:]))
            assert np.prod(output.shape[1:]) == np.prod(operation.output_shape), operation.name
            if len(output.shape) == 4:
                assert flat + tuple(output.shape[1:]) == operation.output_shape, operation.name
            if not isinstance(operation, Sum):
                assert layer.count_params() == operation.parameters, operation.name
    images = np.random.default_rng(0).random((2, *shape), np.float32)
    assert autoencoder.model(images).shape == (2, *shape)


# The profiler does not look behind the compiled kernels of max unpooling, whose convolutions are the fixed kind's.
@pytest.mark.parametrize(
    "upsampling", ["resize", "fixed_unpool", {"kind": "conv_transpose", "kernel_size": 5}, "subpixel"]
)
@pytest.mark.parametrize("downsampling", ["max_pool", "strided_conv"])
@pytest.mark.filterwarnings("ignore")
def test_tensorflow_counts_the_plans_multiply_accumulates(upsampling, downsampling):
    # The profiler counts a transposed convolution by its output, which is the plan's count only at even sizes.
    other = (12, 8, 1) if "conv_transpose" in str(upsampling) else (13, 9, 1)
    for bottleneck, shape in (("none", (16, 24, 3)), ({"kind": "dense", "units": 7}, other)):
        plan = make_plan(section(upsampling, downsampling, bottleneck, convs_per_stage=2), shape)
        model = build_autoencoder(plan).model
        assert tensorflow_macs(model, shape) == plan.macs


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["resize", "fixed_unpool"])
def test_tensorflow_counts_the_multiply_accumulates_of_folded_enlarging(kind, monkeypatch):
    monkeypatch.setattr("cae.model.build.current_device", Device)
    plan = make_plan(section(kind, kernel_size=5, filters=[6, 8]), (16, 24, 8))  # nowhere few filters
    steps = lower(plan.operations, Device(), "float32", training=False)
    extra = 0
    for step in (step for step in steps if isinstance(step, FoldedConvolution)):
        channels = step.convolution.input_shape[2] * step.convolution.output_shape[2]
        if kind == "resize":  # each kernel's 5x5 taps are summed to 6x6
            extra += 5**2 * 6**2 * channels
        else:  # a row and a column of zeros behind the taps, which SAME padding needs at even sizes
            extra += math.prod(step.upsample.input_shape[:2]) * (6**2 - 5**2) * channels
    autoencoder = build_autoencoder(plan)
    counted = tensorflow_macs(lambda images: autoencoder.decode(*autoencoder.encode(images)), (16, 24, 8))
    assert counted == lowered_macs(steps) + extra
    assert lowered_macs(steps) < plan.macs


def tensorflow_macs(model, shape):
    """Half the floating-point operations that TensorFlow's profiler finds in convolutions and dense layers."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = tf.function(lambda images: model(images)).get_concrete_function(tf.TensorSpec((1, *shape)))
    graph = convert_variables_to_constants_v2(function).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    found = tf.compat.v1.profiler.profile(graph, options=options, cmd="op")
    counted, stack = 0, [found]
    while stack:
        node = stack.pop()
        stack += node.children
        if node.name in ("Conv2D", "Conv2DBackpropInput", "MatMul"):
            counted += node.float_ops
    return counted / 2


@pytest.mark.parametrize("downsampling", DOWNSAMPLING)
def test_the_same_seed_gives_the_same_encoder_whatever_the_decoder(downsampling):
    def encoder_weights(upsampling, seed):
        plan = make_plan(section(upsampling, downsampling, {"kind": "spatial", "channels": 2}), (20, 20, 1))
        return build_autoencoder(plan, seed=seed).encoder.get_weights()

    first = encoder_weights("resize", seed=3)
    for upsampling in UPSAMPLING:
        if downsampling not in OWN_DOWNSAMPLING.get(upsampling["kind"], [downsampling]):
            continue
        for mine, other in zip(first, encoder_weights(upsampling, seed=3), strict=True):
            np.testing.assert_array_equal(mine, other)
    changed = encoder_weights("resize", seed=4)
    assert not any(np.array_equal(a, b) for a, b in zip(first, changed, strict=True) if is_drawn(a))


def is_drawn(weights):
    return weights.ndim == 4 and len(np.unique(weights)) > 2


def test_no_two_layers_start_alike():
    plan = make_plan(section("resize", filters=[4, 4, 4], residual_blocks=1), (16, 16, 4))
    kernels = [w for w in build_autoencoder(plan).model.get_weights() if w.shape == (3, 3, 4, 4) and w.any()]
    assert len(kernels) > 6
    for one, other in itertools.combinations(kernels, 2):
        assert not np.array_equal(one, other)


def test_the_encoder_computes_the_same_with_and_without_recording_switches():
    images = np.random.default_rng(1).random((2, 15, 10, 1), np.float32)
    codes = []
    for upsampling in ("max_unpool", "resize"):
        autoencoder = build_autoencoder(make_plan(section(upsampling), (15, 10, 1)), seed=7)
        codes.append(np.asarray(autoencoder.encode(images)[0]))
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize("upsampling", UPSAMPLING, ids=kind_of)
def test_reconstructions_are_float32_in_every_precision_and_weights_too(upsampling):
    (downsampling,) = OWN_DOWNSAMPLING.get(upsampling["kind"], ["max_pool"])
    plan = make_plan(section(upsampling, downsampling), (9, 14, 3))
    images = np.random.default_rng(2).random((2, 9, 14, 3), np.float32)
    exact = build_autoencoder(plan, seed=1).model(images)
    for precision in ("mixed_bfloat16", "mixed_float16"):
        autoencoder = build_autoencoder(plan, seed=1, precision=precision)
        reconstructions = autoencoder.model(images)
        assert reconstructions.dtype == tf.float32
        assert {weight.dtype for weight in autoencoder.model.weights} == {"float32"}
        np.testing.assert_allclose(reconstructions, exact, atol=0.05, err_msg=precision)


def test_weights_survive_the_file(tmp_path):
    plan = make_plan(section("max_unpool", bottleneck={"kind": "dense", "units": 5}, normalization="batch"), (12, 9, 1))
    saved, loaded = build_autoencoder(plan, seed=1), build_autoencoder(plan, seed=2)
    images = np.random.default_rng(3).random((2, 12, 9, 1), np.float32)
    assert not np.allclose(saved.model(images), loaded.model(images))
    saved.model.save_weights(tmp_path / "model.weights.h5")
    loaded.model.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(saved.model(images), loaded.model(images))


@pytest.mark.parametrize("normalization", ["batch", "layer", {"kind": "group", "groups": 2}])
def test_a_normalised_encoder_with_dropout_builds_and_runs_in_training_mode(normalization):
    plan = make_plan(section("resize", normalization=normalization, dropout=0.5), (8, 8, 1))
    autoencoder = build_autoencoder(plan)
    assert autoencoder.model.count_params() == plan.parameters
    images = np.random.default_rng(4).random((2, 8, 8, 1), np.float32)
    first, second = (autoencoder.model(images, training=True) for _ in range(2))
    assert not np.allclose(first, second)
    assert isinstance(autoencoder.encoder.get_layer("stage_1_dropout"), keras.layers.Dropout)


TIED = [
    "max_unpool",
    "learned_indices",
    "fixed_unpool",
    "resize",
    {"kind": "resize", "interpolation": "bicubic"},
    "conv_transpose",
]


def tied_plan(upsampling, downsampling="max_pool", shape=(13, 10, 3), **encoder):
    model = section(upsampling, downsampling, {"kind": "spatial", "channels": 3}, **encoder)
    return make_plan(
        model.model_copy(update={"decoder": model.decoder.model_copy(update={"tied_weights": True})}), shape
    )


@pytest.mark.parametrize(
    "encoder", [{}, {"convs_per_stage": 2, "normalization": "batch", "residual_blocks": 1}], ids=str
)
@pytest.mark.parametrize(
    ("upsampling", "downsampling"),
    [
        (up, down)
        for up, down in itertools.product(TIED, CAN_BE_TIED)
        if (up == down if "learned_indices" in (up, down) else up != "max_unpool" or down == "max_pool")
    ],
    ids=str,
)
def test_a_tied_decoder_has_the_plans_shapes_and_no_kernel_of_its_own_but_the_bottlenecks(
    upsampling, downsampling, encoder
):
    plan = tied_plan(upsampling, downsampling, **encoder)
    autoencoder = build_autoencoder(plan)
    assert autoencoder.model.count_params() == plan.parameters
    own = {id(weight) for weight in autoencoder.decoder.weights} - {
        id(weight) for weight in autoencoder.encoder.weights
    }
    kernels = [weight.path for weight in autoencoder.decoder.weights if id(weight) in own and "kernel" in weight.path]
    assert kernels == ["expand/kernel"]
    others = ("latent", "pool")  # learned indices have a kernel, which the decoder needs no counterpart of
    encoder_kernels = [
        id(w) for w in autoencoder.encoder.weights if "kernel" in w.path and not any(one in w.path for one in others)
    ]
    decoder_kernels = [id(w) for w in autoencoder.decoder.weights if "kernel" in w.path and "expand" not in w.path]
    assert decoder_kernels == encoder_kernels[::-1]
    images = np.random.default_rng(0).random((2, 13, 10, 3), np.float32)
    assert autoencoder.model(images).shape == images.shape


def test_tied_kernels_survive_the_file_and_stay_one_variable(tmp_path):
    plan = tied_plan("max_unpool", convs_per_stage=2, normalization="batch")
    saved, loaded = build_autoencoder(plan, seed=1), build_autoencoder(plan, seed=2)
    images = np.random.default_rng(3).random((2, 13, 10, 3), np.float32)
    saved.model.save_weights(tmp_path / "model.weights.h5")
    loaded.model.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(saved.model(images), loaded.model(images))
    for operation in plan.decoder:
        if isinstance(operation, TiedConvolution):
            kernel = loaded.decoder.get_layer(operation.name).kernel
            assert kernel is loaded.encoder.get_layer(operation.tied_to).kernel


def test_a_tied_model_exports_and_runs_the_same(tmp_path):
    autoencoder = build_autoencoder(tied_plan("conv_transpose", "strided_conv"))
    images = np.random.default_rng(4).random((2, 13, 10, 3), np.float32)
    autoencoder.model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    # Equal copies of a kernel would serve the same: count them.
    assert sum(np.prod(variable.shape) for variable in loaded.variables) == autoencoder.model.count_params()
    np.testing.assert_allclose(loaded.serve(tf.constant(images)), autoencoder.model(images), atol=1e-6)
