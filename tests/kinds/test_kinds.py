"""Every kind on the list is known wherever kinds are told apart: a kind that a table lacks fails here."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config import RunConfig, load_config, save_config
from cae.config.schema_walk import make_schema
from cae.kinds.activation import ACTIVATIONS
from cae.kinds.catalogue import DOWNSAMPLINGS, NORMALIZATIONS, UPSAMPLINGS, upsampling_variants
from cae.kinds.operations import Upsample
from cae.kinds.upsampling.conv_transpose import ConvTranspose
from cae.kinds.upsampling.learned_indices import LearnedIndices
from cae.kinds.upsampling.max_unpool import MaxUnpool
from cae.measures.stages import stage_unevenness
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.plan.matching import match_decoder
from cae.plan.memory import predict_image_memory, predict_step_memory
from cae.plan.table import format_plan
from cae.plan_figure.draw import draw_plan
from cae.visualization.backward import Projector, rectify
from cae.visualization.feature_layers import find_feature_layers

ROOT = Path(__file__).parents[2]
SHAPE = (9, 6, 1)
WORDS = [kind.model_fields["kind"].default for kind in UPSAMPLINGS]

every_upsampling = pytest.mark.parametrize("upsampling", upsampling_variants(), ids=lambda upsampling: upsampling.label)


def config_of(upsampling=None, **encoder):
    decoder = {} if upsampling is None else {"upsampling": upsampling.model_dump()}
    if upsampling is not None and upsampling.needs_downsampling:
        encoder = {"downsampling": upsampling.needs_downsampling, **encoder}
    return RunConfig.model_validate(
        {"model": {"encoder": {"filters": [4], **encoder}, "bottleneck": "none", "decoder": decoder}}
    )


@functools.cache
def built(upsampling, **downsampling):
    encoder = {"downsampling": {"kind": upsampling.needs_downsampling, **downsampling}} if downsampling else {}
    return build_autoencoder(make_plan(config_of(upsampling, **encoder).model, SHAPE))


@every_upsampling
def test_a_configuration_with_the_kind_is_saved_and_loaded_and_in_the_schema(upsampling, tmp_path):
    config = config_of(upsampling)
    save_config(config, tmp_path / "config.yaml")
    assert load_config(tmp_path / "config.yaml").model == config.model
    assert type(config.model.decoder.upsampling) is type(upsampling)
    assert type(upsampling).__name__ in make_schema()["$defs"]


def test_words_and_labels_tell_kinds_and_their_variants_apart():
    assert len(set(WORDS)) == len(WORDS)
    labels = [upsampling.label for upsampling in upsampling_variants()]
    assert len(set(labels)) == len(labels)
    assert all(label.split()[0] in WORDS for label in labels)
    assert {type(upsampling) for upsampling in upsampling_variants()} == set(UPSAMPLINGS)


@every_upsampling
def test_the_plan_of_a_kind_is_drawn_described_matched_and_its_memory_predicted(upsampling):
    plan = make_plan(config_of(upsampling).model, SHAPE)
    names = {operation.name for operation in plan.decoder if operation.name.startswith("stage_1")}
    assert f"stage_1_{upsampling.kind}" in names  # what runs on disk call it
    boxes = {artist.get_gid() for artist in draw_plan(plan).axes[0].patches}
    rows = [line.split() for line in format_plan(plan).splitlines()]
    assert {"decoder:stage_1_" + upsampling.kind} <= boxes
    assert f"stage_1_{upsampling.kind}" in {row[1] for row in rows if len(row) > 1}
    enlarging = [operation for operation in plan.decoder if isinstance(operation, Upsample)]
    for dtype in ("float32", "mixed_bfloat16"):
        assert predict_step_memory(plan, batch_size=2, precision=dtype).activations > 0
    # Whatever makes one value of several is computed by a matrix of double precision for each side.
    two_maps = max(2 * np.prod(SHAPE), *(np.prod(o.input_shape) + np.prod(o.output_shape) for o in plan.operations))
    assert (predict_image_memory(plan) > 4 * two_maps) == any(operation.support > 1 for operation in enlarging)
    wider = match_decoder(config_of(upsampling).model, SHAPE, 2 * plan.parameters)
    assert make_plan(wider, SHAPE).parameters > plan.parameters


@every_upsampling
def test_every_weight_behind_a_kind_gets_a_gradient_and_its_unevenness_is_measured(upsampling):
    autoencoder = built(upsampling)
    images = tf.constant(np.random.default_rng(0).random((2, *SHAPE), np.float32))
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((autoencoder.decode(*autoencoder.encode(images, True), True) - images) ** 2)
    gradients = tape.gradient(loss, autoencoder.model.trainable_weights)
    assert all(np.isfinite(gradient).all() and np.any(gradient) for gradient in gradients)
    (stage,) = stage_unevenness(autoencoder)
    assert np.isfinite(stage["unevenness"])


@pytest.mark.parametrize(("switches", "channels"), [("per_channel", 4), ("per_place", 1)])
def test_switches_that_a_place_shares_are_counted_and_recorded_once(switches, channels):
    autoencoder = built(MaxUnpool(switches=switches))
    assert autoencoder.plan.code.switch_bits == 5 * 3 * channels * 2  # 9x6 pooled by 2x2: log2(4) bits each
    _, (recorded,) = autoencoder.encode(np.zeros((2, *SHAPE), np.float32))
    assert recorded.shape == (2, 5, 3, channels)


@pytest.mark.parametrize(("switches", "channels"), [("per_channel", 4), ("per_place", 1)])
@pytest.mark.parametrize(("indices", "bits"), [("hard", 2), ("soft", 3 * 32)])  # log2(4); three numbers of float32
def test_learned_indices_are_counted_by_what_they_can_say(indices, bits, switches, channels):
    autoencoder = built(LearnedIndices(), indices=indices, switches=switches)
    assert autoencoder.plan.code.switch_bits == 5 * 3 * channels * bits
    assert autoencoder.model.count_params() == autoencoder.plan.parameters
    images = np.random.default_rng(2).random((3, *SHAPE), np.float32)
    latent, (recorded,) = autoencoder.encode(images)
    assert recorded.shape == (3, 9, 6, channels)
    for i, j in np.ndindex(5, 3):  # nine rows: the fifth window has one
        shares = recorded[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].numpy()
        np.testing.assert_allclose(shares.sum(axis=(1, 2)), 1, rtol=1e-6)
        assert (np.isin(shares, (0, 1)).all()) == (indices == "hard" or shares.size == 0)
    # Another image's are a control, and so are none.
    control = built(LearnedIndices(train_switches="shuffled"), indices=indices, switches=switches)
    np.testing.assert_array_equal(control.as_trained([recorded])[0], recorded.numpy()[[2, 0, 1]])
    fixed = built(LearnedIndices(train_switches="fixed"), indices=indices, switches=switches)
    assert control.plan.code.switch_bits == fixed.plan.code.switch_bits == 0
    top_left = np.zeros((9, 6, 1), np.float32)
    top_left[::2, ::2] = 1
    expected = autoencoder.decode(latent, [tf.broadcast_to(top_left, recorded.shape)])
    np.testing.assert_allclose(fixed.decode(fixed.encode(images)[0], []), expected, atol=1e-6)


def test_hard_indices_start_as_max_pooling_and_unpooling():
    images = np.random.default_rng(6).random((2, *SHAPE), np.float32)
    learned, switched = built(LearnedIndices(), indices="hard"), built(MaxUnpool())
    np.testing.assert_array_equal(learned.model(images), switched.model(images))


@pytest.mark.parametrize("indices", ["soft", "hard"])
def test_features_behind_learned_indices_are_carried_back_by_their_gradient(indices):
    autoencoder = built(LearnedIndices(), indices=indices)
    layer = find_feature_layers(autoencoder.plan)[-1]
    images = np.random.default_rng(7).random((1, *SHAPE), np.float32)
    projected = Projector(autoencoder.encoder, layer, "gradient").project(images, [1], [4], [1.0])
    if indices == "hard":  # near an image indices stay what they are
        autoencoder = built(MaxUnpool())
    inputs = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        value = tf.reshape(autoencoder.encoder(inputs)[0], (-1, 4))[4, 1]
    np.testing.assert_allclose(projected, tape.gradient(value, inputs), atol=1e-6)


def test_the_same_seed_gives_the_same_encoder_whatever_switches_the_decoder_is_given():
    images = np.random.default_rng(3).random((3, *SHAPE), np.float32)
    kinds = [{}, {"switches": "per_place"}, {"train_switches": "shuffled"}, {"train_switches": "fixed"}]
    codes = [built(MaxUnpool(**options)).encode(images)[0] for options in kinds]
    for code in codes[1:]:
        np.testing.assert_array_equal(code, codes[0])


def test_a_control_is_trained_with_the_switches_of_the_image_before_in_the_batch():
    images = np.random.default_rng(4).random((3, *SHAPE), np.float32)
    own, control = (built(MaxUnpool(train_switches=word)) for word in ("own", "shuffled"))
    latent, (switches,) = own.encode(images)
    np.testing.assert_array_equal(own.as_trained([switches])[0], switches)
    (given,) = control.as_trained([switches])
    np.testing.assert_array_equal(given, switches.numpy()[[2, 0, 1]])
    # Nothing about an image bypasses its code.
    assert control.plan.code.switch_bits == 0
    np.testing.assert_array_equal(control.decode(latent, [given]), own.decode(latent, [given]))


def test_fixed_switches_put_every_value_to_the_top_left_and_none_are_recorded():
    images = np.random.default_rng(5).random((2, *SHAPE), np.float32)
    own, control = (built(MaxUnpool(train_switches=word)) for word in ("own", "fixed"))
    latent, (switches,) = own.encode(images)
    code, none = control.encode(images)
    assert none == []
    assert control.plan.code.switch_bits == 0
    expected = own.decode(latent, [tf.zeros_like(switches)])  # 9x6 by 2x2: padding is at the end only
    np.testing.assert_allclose(control.decode(code, []), expected, atol=1e-6)


@pytest.mark.parametrize("kind", WORDS)
def test_documents_and_old_runs_have_the_kind(kind):
    for document in ("README.md", "docs/export.md", "docs/upsampling.md"):
        assert f"| `{kind}`" in (ROOT / document).read_text(encoding="utf-8"), document
    old = (ROOT / "tests" / "runs" / "version_0_1_0").glob("*/config.yaml")
    later = {"carafe", "dysample", "haar", "learned_indices"}  # kinds that version 0.1.0 did not have
    assert kind in later or any(f"kind: {kind}" in path.read_text(encoding="utf-8") for path in old)


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_an_activation_is_keras_own_and_its_rectifying_is_its_slope_on_the_negative_side(function):
    inputs = tf.constant([-30.0, 30.0])
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = keras.activations.get(function)(inputs)
    below, above = tape.gradient(outputs, inputs).numpy()
    kind = ACTIVATIONS[function]
    assert kind.is_rectifier == (abs(below - above) > 1e-6)
    assert kind.negative_slope == (pytest.approx(below / above, abs=1e-6) if kind.is_rectifier else 1.0)
    for method in ("deconvnet", "gradient", "guided"):
        assert np.isfinite(rectify(tf.constant([1.0, -1.0]), inputs, function, method)).all()
    plan = make_plan(config_of(activation=function).model, SHAPE)
    assert predict_step_memory(plan, batch_size=1).activations > 0


@pytest.mark.parametrize("normalization", [kind.model_fields["kind"].default for kind in NORMALIZATIONS])
@pytest.mark.parametrize("downsampling", [kind.model_fields["kind"].default for kind in DOWNSAMPLINGS])
def test_feature_maps_are_carried_back_through_every_normalisation_and_downsampling(normalization, downsampling):
    wanted = {"kind": "group", "groups": 2} if normalization == "group" else normalization
    plan = make_plan(config_of(normalization=wanted, downsampling=downsampling).model, SHAPE)
    autoencoder = build_autoencoder(plan)
    assert autoencoder.model.count_params() == plan.parameters
    assert predict_step_memory(plan, batch_size=1).activations > 0
    projector = Projector(autoencoder.encoder, find_feature_layers(plan)[-1], "gradient")
    images = np.random.default_rng(1).random((4, *SHAPE), np.float32)
    assert np.any(projector.project(images, np.arange(4), np.zeros(4), np.ones(4)))


def test_a_blur_and_both_starts_leave_a_transposed_convolution_no_checkerboards():
    def uneven(**options):
        (stage,) = stage_unevenness(built(ConvTranspose(**options)))
        return stage["unevenness"]

    assert uneven(kernel_size=3) > 0.1
    assert uneven(kernel_size=3, blur=True) < 1e-6
    assert uneven(kernel_size=3, initializer="bilinear") < 1e-6
    assert uneven(kernel_size=4, initializer="equal_phases") < 1e-6
