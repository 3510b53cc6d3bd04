"""Steps against the plain Keras layers that they stand for: the same function of the same weights."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import norm

from cae.config.model import ModelSection
from cae.kinds.convolutions import Convolution, TiedConvolution, TransposedConvolution
from cae.kinds.downsampling import MaxPooling
from cae.kinds.operations import Activation, Switches
from cae.kinds.upsampling.fixed_unpool import FixedUnpooling
from cae.kinds.upsampling.resize import Resizing
from cae.kinds.upsampling.subpixel import DepthToSpace
from cae.model import build_autoencoder
from cae.model.build import make_layer, make_tied_layer
from cae.model.lowered import StepContext, compute_steps, fold_kernel, gelu
from cae.plan import make_plan
from cae.plan.lowering import Device, Step, lower

# How far results may be off, as a share of the largest: float64 shows that nothing but rounding differs.
TOLERANCES = {"float64": 1e-12, "float32": 2e-6, "bfloat16": 2e-2}


def chain(kind, size, *, factor=2, kernel_size=3, cut=(0, 0), channels=5, filters=6):
    """The neighbours that a rule is for, on maps of a size; what enlarges is cropped by `cut`."""
    small = (*size, channels)
    tall, wide = (factor * n - less for n, less in zip(size, cut, strict=True))
    large = (tall, wide, filters)
    relu = Activation("relu", large, large, "relu")
    if kind in ("nearest", "fixed_unpool"):
        enlarged = (tall, wide, channels)
        nearest, fixed = (
            Resizing("up", small, enlarged, factor, "nearest"),
            FixedUnpooling("up", small, enlarged, factor),
        )
        enlarging = nearest if kind == "nearest" else fixed
        return [enlarging, Convolution("conv", (tall, wide, channels), large, kernel_size, 1, True), relu]
    if kind == "transposed":
        return [TransposedConvolution("up", small, large, kernel_size, factor, True), relu]
    if kind == "tied":
        return [TiedConvolution("up", small, large, kernel_size, factor, True, "taken"), relu]
    if kind == "opening":
        wide_shape = (*size, filters * factor**2)
        return [DepthToSpace("up", wide_shape, large, factor), relu]
    if kind in ("pool", "switches"):
        return [relu, MaxPooling("pool", large, (*size, filters), factor, Switches() if kind == "switches" else None)]
    if kind == "gelu":
        return [Activation("gelu", large, large, "gelu")]
    assert kind == "few"
    return [Convolution("conv", small, (*size, 1), kernel_size, 1, True)]


KINDS = ["nearest", "fixed_unpool", "transposed", "tied", "opening", "pool", "switches", "gelu", "few"]


def built(operations, dtype, seed=0):
    """A plain Keras model of the operations, one layer for each, with a bias that is not zero."""
    policy = dtype if dtype in ("float32", "float64") else f"mixed_{dtype}"
    inputs = keras.Input(operations[0].input_shape, dtype=dtype)
    x, outputs = inputs, []
    for operation in operations:
        if isinstance(operation, TiedConvolution):
            height, width, filters = operation.output_shape
            taken = keras.layers.Conv2D(
                operation.input_shape[2], operation.kernel_size, operation.strides, padding="same", dtype=policy
            )
            taken.build((None, height, width, filters))
            layer = make_tied_layer(operation, taken, policy)
        else:
            layer = make_layer(operation, operation.name, seed, policy)
        x = layer(x)
        outputs = x if isinstance(x, (list, tuple)) else [x]
        x = outputs[0]
    model = keras.Model(inputs, outputs)
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape))
    return model


def plainly(operations, model, inputs):
    return tf.nest.flatten(model(inputs, training=True))


def in_steps(operations, model, inputs):
    dtype = inputs.dtype.name
    context = StepContext(model, training=True)
    steps = lower(operations, Device(), dtype, training=True)
    # Everything is in one step: the rule is at work; only a cropped resize is not folded.
    assert len(steps) == 1 or type(steps[0]) is Step
    return [compute_steps(steps, inputs, context), *context.switches.values()]


def values_and_gradients(compute, operations, model, inputs):
    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        first, *others = compute(operations, model, inputs)
        weights = np.random.default_rng(2).normal(size=first.shape[1:])
        loss = tf.reduce_sum(tf.cast(first, tf.float64) * weights)
    return [first, *others, *tape.gradient(loss, [inputs, *variables])]


def example(shape, dtype, seed=1):
    # Of few values, so that there are ties, and windows with nothing above 0.
    return tf.cast(np.random.default_rng(seed).integers(-3, 3, shape) / 2, dtype)


def assert_alike(operations, dtype, **compiling):
    model, inputs = built(operations, dtype), example((2, *operations[0].input_shape), dtype)
    expected = values_and_gradients(plainly, operations, model, inputs)
    function = values_and_gradients
    if compiling:
        function = tf.function(values_and_gradients, autograph=False, **compiling)
    for one, other in zip(function(in_steps, operations, model, inputs), expected, strict=True):
        assert one.dtype == other.dtype
        found, wanted = (tf.cast(tensor, tf.float64).numpy() for tensor in (one, other))
        np.testing.assert_allclose(found, wanted, rtol=0, atol=TOLERANCES[dtype] * max(1e-9, np.abs(wanted).max()))


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", ["nearest", "fixed_unpool", "transposed", "tied", "few"])
def test_every_kernel_gives_what_the_layers_give(kind, kernel_size):
    assert_alike(chain(kind, (3, 4), kernel_size=kernel_size), "float64")


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("gelu", "few")])
def test_every_residue_of_the_size_gives_what_the_layers_give(kind, factor):
    for residue in range(factor):
        assert_alike(chain(kind, (2, 3), factor=factor, cut=(residue, factor - 1 - residue)), "float64")


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (5, 8), (6, 3), (9, 10)])
def test_few_filters_keep_pixels_in_their_places_at_every_size(size):
    for kernel_size in (2, 3, 7):
        assert_alike(chain("few", size, kernel_size=kernel_size), "float64")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_float_type_gives_what_the_layers_give(kind, dtype):
    assert_alike(chain(kind, (3, 4), cut=(0, 0) if kind == "nearest" else (1, 0)), dtype)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_graphs_and_xla_give_what_the_layers_give(kind, jit_compile):
    for dtype in ("float32", "bfloat16") if jit_compile else ("float32",):
        assert_alike(chain(kind, (3, 4), cut=(0, 0) if kind == "nearest" else (1, 0)), dtype, jit_compile=jit_compile)


@pytest.mark.parametrize("kind", ["transposed", "tied", "opening", "pool", "switches"])
def test_what_changes_no_sum_changes_no_bit(kind):
    for dtype in ("float32", "bfloat16", "float16"):
        operations = chain(kind, (3, 4), cut=(1, 1))
        model, inputs = built(operations, dtype), example((2, *operations[0].input_shape), dtype)
        both = [values_and_gradients(compute, operations, model, inputs) for compute in (plainly, in_steps)]
        for one, other in zip(*both, strict=True):
            np.testing.assert_array_equal(tf.cast(one, tf.float64), tf.cast(other, tf.float64))


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_gelu_is_what_the_normal_distribution_says(dtype):
    """x times the share of a normal distribution below x (Hendrycks & Gimpel 2016), also far out and at 0."""
    inputs = tf.cast(np.concatenate([np.linspace(-30, 30, 601), [-1e4, 1e4, -0.0, 0.0]])[None], dtype)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = gelu(inputs)
    x = tf.cast(inputs, tf.float64).numpy()
    expected = {"outputs": x * norm.cdf(x), "gradient": norm.cdf(x) + x * norm.pdf(x)}
    for found, wanted in zip((outputs, tape.gradient(outputs, inputs)), expected.values(), strict=True):
        assert found.dtype == dtype
        error = np.abs(tf.cast(found, tf.float64).numpy() - wanted) / np.maximum(1, np.abs(wanted))
        # The root of two that Keras divides by is a float32.
        assert error.max() < {"float64": 1e-8, "float32": 1e-6, "bfloat16": 4e-3, "float16": 5e-4}[dtype]


@pytest.mark.parametrize("factor", [2, 3])
def test_a_folded_kernel_counts_every_tap_once_for_each_pixel_of_a_block(factor):
    kernel = np.random.default_rng(2).normal(size=(5, 5, 2, 3))
    folded = fold_kernel(tf.constant(kernel), factor)
    assert folded.shape == (4 + factor, 4 + factor, 3, 2)
    np.testing.assert_allclose(np.sum(folded, axis=(0, 1)).T, factor**2 * kernel.sum(axis=(0, 1)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("kind", ["nearest", "fixed_unpool", "few"])
def test_a_bias_is_pulled_by_every_pixel(kind, dtype):
    """In 16 bits a sum that grows one by one ends at 256 or 2,048."""
    side = 64 if kind == "few" else 32
    operations = chain(kind, (side, side), channels=8)
    model = built(operations, dtype)
    model.get_layer("conv").bias.assign(1000.0 * tf.ones_like(model.get_layer("conv").bias))  # nothing is rectified
    inputs = tf.zeros((2, side, side, 8), dtype)
    with tf.GradientTape() as tape:
        outputs, *_ = in_steps(operations, model, inputs)
    np.testing.assert_allclose(tape.gradient(outputs, model.get_layer("conv").bias.value), 2 * 64 * 64, rtol=1e-3)


UPSAMPLING = ["resize", "max_unpool", "fixed_unpool", "conv_transpose", "subpixel", "bilinear_additive"]


def autoencoder_of(upsampling, shape=(13, 10, 1), precision="float32", **words):
    encoder = {"filters": [4, 8], "residual_blocks": 1}
    section = {"encoder": encoder, "decoder": {"upsampling": upsampling}} | words
    return build_autoencoder(make_plan(ModelSection.model_validate(section), shape), precision=precision)


@pytest.mark.parametrize("upsampling", UPSAMPLING)
def test_encode_and_decode_are_the_keras_models(upsampling):
    """With switches, a dense code, residual blocks, normalisation and sizes that no stage halves evenly."""
    autoencoder = autoencoder_of(
        upsampling,
        encoder={"filters": [4, 8], "residual_blocks": 1, "normalization": "batch"},
        bottleneck={"kind": "dense", "units": 5},
    )
    images = np.random.default_rng(0).random((2, 13, 10, 1), np.float32)
    for training in (False, True):
        latent, switches = autoencoder.encode(images, training=training)
        expected = autoencoder.encoder(images, training=training)
        for one, other in zip([latent, *switches], tf.nest.flatten(expected), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)
        found = autoencoder.decode(latent, switches, training=training)
        np.testing.assert_allclose(found, autoencoder.decoder(expected, training=training), atol=1e-5)


@pytest.mark.parametrize("upsampling", [*UPSAMPLING, {"kind": "resize", "interpolation": "lanczos3"}], ids=str)
def test_a_training_step_compiles_under_xla(upsampling):
    autoencoder = autoencoder_of(upsampling, (8, 7, 1), encoder={"filters": [4]})
    images = np.random.default_rng(0).random((2, 8, 7, 1), np.float32)

    def gradients(images):
        with tf.GradientTape() as tape:
            reconstructions = autoencoder.decode(*autoencoder.encode(images, training=True), training=True)
            loss = tf.reduce_mean(tf.square(reconstructions - images))
        return tape.gradient(loss, [variable.value for variable in autoencoder.model.trainable_variables])

    compiled = tf.function(gradients, jit_compile=True, autograph=False)(images)
    for one, other in zip(compiled, gradients(images), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_training_leaves_out_what_is_needed_no_more():
    """Behind pooling there are fewer values to rectify; behind a transposed convolution it is done with the bias."""
    autoencoder = autoencoder_of("conv_transpose", (12, 12, 1), encoder={"filters": [8, 12]})
    step = tf.function(lambda images: autoencoder.decode(*autoencoder.encode(images, True), True), autograph=False)
    graph = step.get_concrete_function(tf.zeros((2, 12, 12, 1))).graph.as_graph_def(add_shapes=True)
    sizes = [node.attr["_output_shapes"].list.shape[0].dim[1].size for node in graph.node if node.op == "Relu"]
    assert sizes == [6, 3, 3]  # both poolings, and the convolution that expands the code


@pytest.mark.parametrize("downsampling", ["max_pool", "average_pool"])
def test_the_keras_model_keeps_each_operations_output(downsampling):
    """What visualisation and gradients with respect to maps in between look at."""
    encoder = autoencoder_of(
        "conv_transpose", (12, 12, 1), encoder={"filters": [8], "downsampling": downsampling}
    ).encoder
    images = np.random.default_rng(5).random((2, 12, 12, 1), np.float32)
    names = ["stage_1_conv_1", "stage_1_conv_1_relu", "stage_1_pool"]
    steps = keras.Model(encoder.input, [encoder.get_layer(name).output for name in names])
    for training in (False, True):
        convolved, rectified, pooled = steps(images, training=training)
        np.testing.assert_array_equal(rectified, np.maximum(convolved, 0))
        windows = np.asarray(rectified).reshape(2, 6, 2, 6, 2, 8)
        expected = windows.max(axis=(2, 4)) if downsampling == "max_pool" else windows.mean(axis=(2, 4))
        np.testing.assert_allclose(pooled, expected, rtol=1e-6)
