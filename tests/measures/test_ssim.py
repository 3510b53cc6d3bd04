from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cae.measures import per_image
from cae.measures.per_image import ssim_per_image


def a_noisy_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures and a noisy copy, as a reconstruction would be."""
    rng = np.random.default_rng(seed)
    y, x = np.meshgrid(np.linspace(0, 3, shape[1]), np.linspace(0, 5, shape[2]), indexing="ij")
    phases = rng.random((shape[0], 1, 1, shape[3])) * 6
    images = 0.5 + 0.5 * np.sin(y[None, :, :, None] * 2 + x[None, :, :, None] + phases)
    noisy = np.clip(images + 0.15 * rng.standard_normal(shape), 0, 1)
    return images.astype(np.float32), noisy.astype(np.float32)


def gradient(function, images, reconstructions):
    reconstructions = tf.convert_to_tensor(reconstructions)
    with tf.GradientTape() as tape:
        tape.watch(reconstructions)
        value = tf.reduce_mean(function(images, reconstructions))
    return tape.gradient(value, reconstructions).numpy()


# Short rows are filtered by band matrices, long ones by convolutions.
SHAPES = [(2, 28, 28, 1), (3, 11, 40, 3), (2, 32, 32, 3), (1, 15, 13, 2), (1, 170, 12, 1), (2, 60, 70, 3)]


@pytest.mark.parametrize("shape", SHAPES)
def test_ssim_agrees_with_tensorflow(shape):
    images, noisy = a_noisy_pair(shape)
    np.testing.assert_allclose(ssim_per_image(images, noisy), tf.image.ssim(images, noisy, max_val=1.0), atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "window"), [((2, 10, 30, 1), 9), ((2, 8, 7, 3), 7), ((1, 2, 9, 1), 1), ((1, 1, 1, 3), 1)]
)
def test_small_images_get_the_largest_odd_window_that_fits(shape, window):
    images, noisy = a_noisy_pair(shape)
    expected = tf.image.ssim(images, noisy, max_val=1.0, filter_size=window)
    np.testing.assert_allclose(ssim_per_image(images, noisy), expected, atol=1e-5)


def test_ssim_follows_its_definition():
    """Wang et al. 2004, equation 13, window by window in float64."""
    images, noisy = a_noisy_pair((1, 13, 12, 1))
    distances = np.arange(11) - 5
    weights = np.exp(-(distances[:, None] ** 2 + distances[None, :] ** 2) / (2 * 1.5**2))
    weights /= weights.sum()
    values = []
    for top in range(3):
        for left in range(2):
            x = images[0, top : top + 11, left : left + 11, 0].astype(float)
            y = noisy[0, top : top + 11, left : left + 11, 0].astype(float)
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            variances = (weights * ((x - mean_x) ** 2 + (y - mean_y) ** 2)).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
            values.append(luminance * (2 * covariance + 9e-4) / (variances + 9e-4))
    np.testing.assert_allclose(ssim_per_image(images, noisy), [np.mean(values)], atol=1e-6)


def test_each_image_has_its_own_value():
    images, noisy = a_noisy_pair((4, 16, 16, 1))
    noisy[2] = images[2]
    values = ssim_per_image(images, noisy).numpy()
    assert values[2] == pytest.approx(1.0, abs=1e-6)
    assert (np.delete(values, 2) < 0.99).all()


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (2, 60, 70, 3)])
def test_the_gradient_agrees_with_tensorflows(shape):
    images, noisy = a_noisy_pair(shape)
    expected = gradient(lambda x, y: tf.image.ssim(x, y, max_val=1.0), images, noisy)
    # TensorFlow's own rounding: against float64 it is off by 1e-4 of the largest value here.
    np.testing.assert_allclose(gradient(ssim_per_image, images, noisy), expected, atol=5e-4 * abs(expected).max())


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (1, 60, 70, 3)])
@pytest.mark.parametrize("name", ["identical", "constant", "black", "opposite", "far outside"])
def test_the_gradient_is_finite(shape, name):
    images, _ = a_noisy_pair(shape)
    images, reconstructions = {
        "identical": (images, images),
        "constant": (np.full(shape, 0.3, np.float32), np.full(shape, 0.3, np.float32)),
        "black": (np.zeros(shape, np.float32), np.zeros(shape, np.float32)),
        "opposite": (images, 1 - images),
        "far outside": (images, 1e4 * images - 3e4),
    }[name]
    assert np.isfinite(ssim_per_image(images, reconstructions)).all()
    assert np.isfinite(gradient(ssim_per_image, images, reconstructions)).all()


def test_rounding_far_outside_the_pixel_range_never_divides_by_next_to_nothing():
    """The variance of a flat image is rounding; were it let below zero, it could cancel the constant beside it."""
    levels = np.linspace(10, 400, 300, dtype=np.float32)
    flat = np.broadcast_to(levels[:, None, None, None], (300, 11, 11, 1))
    values = abs(ssim_per_image(np.full_like(flat, 0.5), flat).numpy())
    luminance = (2 * 0.5 * levels + 1e-4) / (0.25 + levels**2 + 1e-4)
    rounding = 8 * np.finfo(np.float32).eps * levels * 0.5  # of the covariance, which is 0
    assert (values <= luminance * (9e-4 + 2 * rounding) / 9e-4).all()


@pytest.mark.parametrize("shape", [(2, 28, 28, 1), (1, 60, 70, 3)])
def test_one_compiled_function_serves_every_batch_size(shape):
    signature = [tf.TensorSpec((None, *shape[1:])), tf.TensorSpec((None, *shape[1:]))]
    compiled = tf.function(ssim_per_image, signature, jit_compile=True)
    for batch in (1, 3):
        images, noisy = a_noisy_pair((batch, *shape[1:]))
        np.testing.assert_allclose(compiled(images, noisy), ssim_per_image(images, noisy), atol=1e-5)


def test_where_products_would_be_rounded_they_are_taken_in_float64(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert per_image._product_dtype() == tf.float64
    for shape in SHAPES[:2] + SHAPES[-1:]:
        images, noisy = a_noisy_pair(shape)
        values = ssim_per_image(images, noisy)
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, tf.image.ssim(images, noisy, max_val=1.0), atol=1e-5)
