"""Options of the architecture: each model is its plan, in every form, at sizes that nothing divides evenly."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config import check_config
from cae.config.model import ModelSection
from cae.model import build_autoencoder
from cae.plan import PlanError, make_plan

CODE = {"kind": "spatial", "channels": 3}
OPTIONS = {
    "stem of 2": {"encoder": {"stem": 2}},
    "stem of 4, linear path": {
        "encoder": {"stem": 4, "filters": [4]},
        "linear_path": "block",
        "decoder": {"output_activation": "linear", "upsampling": "resize"},
    },
    "stem, tied": {
        "encoder": {"stem": 2, "residual_blocks": 1, "residual_blocks_at_code": 1},
        "decoder": {"tied_weights": True, "upsampling": "max_unpool"},
    },
    "blocks of one half only": {"encoder": {"residual_blocks": 2}, "decoder": {"residual_blocks": 0}},
    "blocks of the decoder only": {"decoder": {"residual_blocks": 1, "upsampling": "fixed_unpool"}},
    "pre-activation": {
        "encoder": {"residual_blocks": 1, "residual_style": "pre_activation", "normalization": "batch"},
        "decoder": {"upsampling": "bilinear_additive"},
    },
    "wide code": {
        "encoder": {
            "filters": [4],
            "stem": 2,
            "residual_style": "inner_activation",
            "residual_blocks_at_code": 2,
            "code_filters": 6,
            "downsampling": {"kind": "space_to_depth", "pool_size": 3},
        },
        "decoder": {"upsampling": {"kind": "subpixel", "kernel_size": 1}},
    },
    "shortcuts": {
        "encoder": {"shortcut": "space_to_channel", "residual_blocks": 1},
        "decoder": {"shortcut": "duplicate", "upsampling": "max_unpool"},
    },
    "shortcuts past strides": {
        "encoder": {
            "stem": 2,
            "filters": [4],
            "convs_per_stage": 2,
            "downsampling": {"kind": "strided_conv", "strides": 3},
            "shortcut": "space_to_channel",
            "normalization": "layer",
        },
        "decoder": {"shortcut": "duplicate", "upsampling": "subpixel"},
    },
    "convolutions per stage": {
        "encoder": {"convs_per_stage": [1, 3], "shortcut": "space_to_channel"},
        "decoder": {"convs_per_stage": [2, 1], "upsampling": "conv_transpose"},
    },
    "convolutions per stage, tied": {
        "encoder": {"convs_per_stage": [2, 1]},
        "decoder": {"tied_weights": True, "upsampling": "fixed_unpool"},
    },
    "generalised divisive": {
        "encoder": {"normalization": "gdn", "activation": "linear", "residual_blocks": 1},
        "decoder": {"upsampling": "resize"},
    },
    "mirrored borders": {
        "encoder": {"padding": "reflect", "kernel_size": 4, "residual_blocks": 1},
        "decoder": {"upsampling": {"kind": "subpixel", "kernel_size": 3}},
    },
    "mirrored borders behind a resize": {
        "encoder": {"padding": "reflect", "downsampling": "strided_conv", "stem": 2, "filters": [4]},
        "decoder": {"upsampling": "resize"},
    },
    "space to depth throughout": {"encoder": {"downsampling": "space_to_depth"}, "decoder": {"upsampling": "resize"}},
}


def section(options):
    encoder = {"filters": [4, 8], "activation": "gelu"} | options.get("encoder", {})
    return ModelSection.model_validate({"bottleneck": CODE} | options | {"encoder": encoder})


def built(name, shape=(21, 14, 3), precision="float32"):
    """With random weights everywhere, since some begin at zero."""
    autoencoder = build_autoencoder(make_plan(section(OPTIONS[name]), shape), precision=precision)
    generator = np.random.default_rng(0)
    for weight in autoencoder.model.weights:
        if weight.name in ("kernel", "bias", "gamma"):
            weight.assign(0.4 * generator.standard_normal(weight.shape))
    return autoencoder


@pytest.mark.parametrize("name", OPTIONS)
def test_the_model_is_its_plan_and_its_fast_form_the_same_function(name):
    autoencoder = built(name)
    plan = autoencoder.plan
    assert autoencoder.model.count_params() == plan.parameters
    assert autoencoder.model.output_shape == (None, 21, 14, 3)
    assert autoencoder.encoder.outputs[0].shape[1:] == plan.latent_shape
    images = tf.constant(np.random.default_rng(1).random((2, 21, 14, 3)), tf.float32)
    for training in (False, True):
        expected = autoencoder.model(images, training=training)
        found = autoencoder.decode(*autoencoder.encode(images, training), training)
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("style", ["post_activation", "pre_activation", "inner_activation"])
@pytest.mark.parametrize("normalization", ["none", "batch"])
def test_residual_blocks_start_as_nothing(style, normalization):
    encoder = {"residual_style": style, "activation": "relu", "normalization": normalization}
    images = np.random.default_rng(2).random((2, 13, 10, 3)).astype(np.float32)
    plans = [
        make_plan(section({"encoder": {**encoder, "residual_blocks": number}}), images.shape[1:]) for number in (0, 2)
    ]
    plain, deep = (build_autoencoder(plan, seed=5) for plan in plans)
    assert plans[1].parameters > plans[0].parameters
    np.testing.assert_array_equal(deep.encoder(images), plain.encoder(images))
    np.testing.assert_array_equal(deep.model(images), plain.model(images))


@pytest.mark.parametrize("style", ["post_activation", "pre_activation", "inner_activation"])
def test_residual_blocks_are_what_their_papers_say(style):
    autoencoder = build_autoencoder(
        make_plan(section({"encoder": {"residual_style": style, "residual_blocks": 1}}), (12, 12, 3))
    )
    encoder, generator = autoencoder.encoder, np.random.default_rng(3)
    for weight in encoder.weights:
        weight.assign(0.3 * generator.standard_normal(weight.shape))
    first, second = (encoder.get_layer(f"stage_1_residual_1_conv_{number}") for number in (1, 2))
    parts = keras.Model(
        encoder.input, [encoder.get_layer("stage_1_conv_1_gelu").output, encoder.get_layer("stage_1_residual_1").output]
    )
    x, found = parts(generator.random((1, 12, 12, 3)).astype(np.float32))
    gelu = keras.activations.gelu
    expected = {
        "post_activation": lambda: gelu(x + second(gelu(first(x)))),  # He et al. 2016, figure 2
        "pre_activation": lambda: x + second(gelu(first(gelu(x)))),  # He et al. 2016b, figure 1b, without norms
        "inner_activation": lambda: x + second(gelu(first(x))),  # Lim et al. 2017, figure 2c
    }[style]()
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_stem_is_a_convolution_of_larger_strides():
    """Space to depth and a convolution of k x k are one convolution of (2 k) x (2 k) with strides of 2."""
    plan = make_plan(section({"encoder": {"stem": 2, "filters": [5], "activation": "linear"}}), (12, 8, 3))
    encoder = build_autoencoder(plan).encoder
    kernel, bias = encoder.get_layer("stage_1_conv_1").get_weights()  # [3, 3, 12, 5]
    large = kernel.reshape(3, 3, 2, 2, 3, 5).transpose(0, 2, 1, 3, 4, 5).reshape(6, 6, 3, 5)
    images = np.random.default_rng(4).random((2, 12, 8, 3)).astype(np.float32)
    padded = np.pad(images, [(0, 0), (2, 2), (2, 2), (0, 0)])
    expected = tf.nn.conv2d(padded, large, 2, "VALID") + bias
    found = keras.Model(encoder.input, encoder.get_layer("stage_1_conv_1").output)(images)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_half_of_a_models_capacity_can_lie_at_the_code():
    encoder = {
        "filters": [64],
        "stem": 2,
        "activation": "gelu",
        "residual_blocks": 1,
        "residual_style": "inner_activation",
        "downsampling": "space_to_depth",
        "code_filters": 128,
        "residual_blocks_at_code": 1,
    }
    decoder = {"upsampling": {"kind": "subpixel", "kernel_size": 1}, "output_activation": "linear"}
    bottleneck = {"kind": "spatial", "channels": 8}
    model = {"encoder": encoder, "bottleneck": bottleneck, "decoder": decoder, "linear_path": "block", "init": "klt"}
    plan = make_plan(check_config({"model": model}).model, (32, 32, 3))

    def conv(side, given, made):
        return side**2 * given * made + made

    blocks = 2 * 2 * (conv(3, 64, 64) + conv(3, 128, 128))
    network = conv(3, 12, 64) + conv(1, 256, 128) + conv(1, 128, 8) + conv(1, 8, 128) + conv(1, 128, 256)
    path = conv(1, 48, 8) + conv(1, 8, 48)
    assert plan.parameters == blocks + network + conv(3, 64, 12) + path
    assert [operation.output_shape for operation in plan.encoder[-2:]] == [(8, 8, 8)] * 2


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_channels_that_no_shortcut_can_make_are_refused(part):
    shortcut = {"encoder": "space_to_channel", "decoder": "duplicate"}[part]
    options = {"encoder": {"filters": [6, 11], "stem": 2}, "bottleneck": CODE}
    options[part] = {**options.get(part, {}), "shortcut": shortcut}
    with pytest.raises(PlanError, match=f"model.{part}.shortcut: 4 times 6 channels must be a multiple of 11"):
        make_plan(section(options), (24, 24, 3))


def test_a_shortcut_is_added_to_what_it_leads_past():
    """With convolutions of zeros, nothing else is left: DC-AE starts as resizing without weights."""
    options = {
        "encoder": {"filters": [3, 12], "convs_per_stage": 2, "shortcut": "space_to_channel", "activation": "linear"},
        "decoder": {"shortcut": "duplicate", "upsampling": "resize"},
        "bottleneck": "none",
    }
    autoencoder = build_autoencoder(make_plan(section(options), (8, 8, 3)))
    encoder = keras.Model(
        autoencoder.encoder.get_layer("stage_1_conv_1_linear").output,
        autoencoder.encoder.get_layer("stage_1_sum").output,
    )
    maps = np.random.default_rng(5).random((1, 8, 8, 3)).astype(np.float32)
    for weight in encoder.weights:
        weight.assign(tf.zeros_like(weight))
    expected = maps.reshape(1, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(encoder(maps), expected, atol=1e-6)
