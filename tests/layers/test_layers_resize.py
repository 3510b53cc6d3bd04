"""Resizing and bilinear additive upsampling, held against TensorFlow's resizing."""

from __future__ import annotations

import layer_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import BilinearAdditive2D, Resize2D
from cae.layers.resize import repeat_pixels

INTERPOLATIONS = ["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(
    ("factor", "size", "output_size"),
    [
        (2, (6, 4), None),
        (2, (5, 7), (9, 14)),
        (3, (4, 9), (11, 25)),
        (4, (3, 2), (9, 7)),
        (5, (7, 1), (33, 3)),
        (7, (12, 2), None),
    ],
)
def test_resizing_is_tensorflows_and_cropped(
    interpolation: str, factor: int, size: tuple[int, int], output_size: tuple[int, int] | None
) -> None:
    images = np.random.default_rng(factor).normal(size=(2, *size, 3)).astype("float32")
    full = (size[0] * factor, size[1] * factor)
    expected = oracles.middle(tf.image.resize(images, full, interpolation).numpy(), output_size or full)
    resized = Resize2D(factor, interpolation, output_size)(images)
    np.testing.assert_allclose(resized, expected, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_constant_image_stays_constant(interpolation: str, dtype: str) -> None:
    images = np.full((1, 5, 4, 2), 3.0, "float32")
    resized = Resize2D(3, interpolation, (14, 11), dtype=dtype)(images)
    assert resized.dtype == dtype
    tolerance = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 4e-2}[dtype]
    np.testing.assert_allclose(tf.cast(resized, tf.float32), np.full((1, 14, 11, 2), 3.0), atol=tolerance)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_slope_stays_a_slope_inside(interpolation: str) -> None:
    heights = np.arange(8.0, dtype="float32").reshape(1, 8, 1, 1)
    resized = np.array(Resize2D(4, interpolation)(heights))[0, :, 0, 0]
    centres = (np.arange(32) + 0.5) / 4 - 0.5  # pixels are squares
    np.testing.assert_allclose(resized[8:-8], centres[8:-8], atol=1e-5)


def test_nearest_repeats_nan_and_infinity_without_mixing() -> None:
    images = np.array([[np.nan, 1.0], [np.inf, -np.inf]], "float32").reshape(1, 2, 2, 1)
    expected = images.repeat(3, axis=1).repeat(3, axis=2)
    np.testing.assert_array_equal(Resize2D(3)(images), expected)


def test_nearest_keeps_16_bit_values_exactly() -> None:
    images = np.random.default_rng(2).normal(size=(1, 3, 5, 2)).astype("float16")
    resized = Resize2D(2, output_size=(5, 9), dtype="float16")(images)
    expected = oracles.middle(images.repeat(2, axis=1).repeat(2, axis=2), (5, 9))
    np.testing.assert_array_equal(resized, expected)


@pytest.mark.parametrize(("factor", "size", "output_size"), [(2, (3, 5), (5, 9)), (3, (4, 2), None)])
def test_bilinear_additive_sums_neighbouring_channels_of_the_bilinear_resize(
    factor: int, size: tuple[int, int], output_size: tuple[int, int] | None
) -> None:
    images = np.random.default_rng(3).normal(size=(2, *size, 2 * factor**2)).astype("float32")
    full = (size[0] * factor, size[1] * factor)
    resized = tf.image.resize(images, full, "bilinear").numpy()
    summed = np.stack([resized[..., : factor**2].sum(-1), resized[..., factor**2 :].sum(-1)], axis=-1)
    expected = oracles.middle(summed, output_size or full)
    np.testing.assert_allclose(BilinearAdditive2D(factor, output_size)(images), expected, atol=1e-5)


def test_bilinear_additive_refuses_channels_that_cannot_be_grouped() -> None:
    with pytest.raises(ValueError, match=r"channels must be a multiple of factor\^2 = 4"):
        BilinearAdditive2D()(np.zeros((1, 2, 2, 6), "float32"))


def test_an_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ValueError, match="`interpolation` must be one of nearest, bilinear, bicubic"):
        Resize2D(interpolation="area")


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos3", "lanczos5"])
def test_images_of_unknown_size_are_interpolated_as_tensorflow_does(interpolation: str) -> None:
    layer = Resize2D(3, interpolation)
    dynamic = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 2))])
    for size in ((5, 7), (12, 2)):
        images = np.random.default_rng(4).normal(size=(2, *size, 2)).astype("float32")
        expected = tf.image.resize(images, (3 * size[0], 3 * size[1]), interpolation)
        np.testing.assert_allclose(dynamic(images), expected, atol=2e-3 if interpolation == "bicubic" else 1e-5)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)])
def test_the_gradient_of_repeated_pixels_is_the_sum_over_each_window(factor, dtype, tolerance) -> None:
    image = tf.cast(np.random.default_rng(0).normal(size=(2, 3, 5, 4)), dtype)
    above = tf.cast(np.random.default_rng(7).normal(size=(2, 3 * factor, 5 * factor, 4)), dtype)
    with tf.GradientTape() as tape:
        tape.watch(image)
        outputs = repeat_pixels(image, factor)
    np.testing.assert_array_equal(
        tf.cast(outputs, tf.float32), np.kron(tf.cast(image, tf.float32), np.ones((1, factor, factor, 1)))
    )
    windows = tf.cast(above, tf.float64).numpy().reshape(2, 3, factor, 5, factor, 4)
    found = tf.cast(tape.gradient(outputs, image, output_gradients=above), tf.float64)
    np.testing.assert_allclose(found, windows.sum(axis=(2, 4)), atol=tolerance * factor**2)
