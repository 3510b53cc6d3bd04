"""Convolution with mirrored borders, held against NumPy's own padding and a convolution without any."""

import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import ModelSection
from cae.layers import ReflectConv2D
from cae.model import build_autoencoder
from cae.plan.encoder import PlanError
from cae.plan.plan import make_plan


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5), ("bfloat16", 0.05)])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("size", [(3, 4), (7, 5)])
@pytest.mark.parametrize("compiled", [False, True])
def test_it_is_a_convolution_of_the_picture_that_goes_on_mirrored(dtype, tolerance, kernel_size, size, compiled):
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(dtype if dtype != "bfloat16" else "float32")
    layer = ReflectConv2D(4, kernel_size, dtype=dtype, bias_initializer="ones")
    found = tf.function(layer, jit_compile=compiled)(tf.cast(images, dtype))
    side = ((kernel_size - 1) // 2, kernel_size // 2)
    padded = np.pad(images, ((0, 0), side, side, (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel_size, kernel_size), (1, 2))
    kernel = tf.cast(layer.kernel, tf.float64).numpy()
    expected = np.einsum("nyxcij,ijcf->nyxf", windows.astype("float64"), kernel) + 1.0
    assert found.shape == (2, *size, 4)
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, atol=tolerance, rtol=tolerance)


def test_a_grey_picture_stays_grey_at_its_borders():
    layer = ReflectConv2D(1, 3, kernel_initializer="ones", use_bias=False)
    np.testing.assert_allclose(layer(np.ones((1, 6, 5, 2), "float32")), 18.0)


def test_maps_that_are_too_small_are_refused_by_name():
    encoder = {"padding": "reflect", "kernel_size": 7, "filters": [4, 4, 4], "residual_blocks_at_code": 1}
    section = ModelSection.model_validate({"encoder": encoder})
    with pytest.raises(PlanError, match=r"encoder\.padding: reflect needs .* maps of 3x3 at "):
        make_plan(section, (24, 24, 1))


def test_kernels_of_one_pixel_have_no_borders_to_mirror():
    section = ModelSection.model_validate({"encoder": {"padding": "reflect", "kernel_size": 1}})
    with pytest.raises(PlanError, match=r"encoder\.padding: reflect has no effect"):
        make_plan(section, (24, 24, 1))


@pytest.mark.parametrize(("padding", "is_flat"), [("same", False), ("reflect", True)])
def test_a_model_with_mirrored_borders_does_not_see_the_borders_of_a_flat_picture(padding, is_flat):
    section = ModelSection.model_validate(
        {"encoder": {"padding": padding, "filters": [4, 8], "residual_blocks": 1}, "decoder": {"upsampling": "resize"}}
    )
    autoencoder = build_autoencoder(make_plan(section, (16, 24, 1)))
    generator = np.random.default_rng(0)
    for weight in autoencoder.model.trainable_weights:
        weight.assign(0.4 * generator.standard_normal(weight.shape))
    picture = np.full((1, 16, 24, 1), 0.7, "float32")
    for found in (
        autoencoder.model(picture),
        autoencoder.decode(*autoencoder.encode(tf.constant(picture), False), False),
    ):
        assert (np.ptp(found) < 1e-5) == is_flat
