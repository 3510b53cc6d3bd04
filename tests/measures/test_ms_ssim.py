from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cae.measures.per_image import ms_ssim_per_image


def a_noisy_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    coarse = rng.random((shape[0], shape[1] // 12 + 1, shape[2] // 12 + 1, shape[3])).astype(np.float32)
    images = tf.image.resize(coarse, shape[1:3], "bilinear").numpy()
    noise = 0.2 * rng.standard_normal(shape).astype(np.float32)
    return images, np.clip(images + noise, 0, 1)


def gradient(images, reconstructions):
    reconstructions = tf.convert_to_tensor(reconstructions)
    with tf.GradientTape() as tape:
        tape.watch(reconstructions)
        value = tf.reduce_mean(ms_ssim_per_image(images, reconstructions))
    return tape.gradient(value, reconstructions).numpy()


@pytest.mark.parametrize("shape", [(2, 161, 161, 1), (1, 176, 192, 3), (1, 175, 203, 2)])
def test_ms_ssim_agrees_with_tensorflow(shape):
    images, noisy = a_noisy_pair(shape)
    values = ms_ssim_per_image(images, noisy)
    assert values.dtype == tf.float32
    assert values.shape == shape[:1]
    np.testing.assert_allclose(values, tf.image.ssim_multiscale(images, noisy, max_val=1.0), atol=1e-5)


def test_opposite_structures_have_ms_ssim_0_as_in_tensorflow():
    images, _ = a_noisy_pair((1, 161, 161, 1))
    assert ms_ssim_per_image(images, 1 - images).numpy() == [0.0]
    assert tf.image.ssim_multiscale(images, 1 - images, max_val=1.0).numpy() == [0.0]


def test_the_gradient_agrees_with_tensorflows_where_that_is_finite():
    images, noisy = a_noisy_pair((1, 161, 170, 1))
    variable = tf.convert_to_tensor(noisy)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        value = tf.image.ssim_multiscale(images, variable, max_val=1.0)
    expected = tape.gradient(value, variable).numpy()
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(gradient(images, noisy), expected, atol=2e-5 * abs(expected).max())


@pytest.mark.parametrize("name", ["identical", "constant", "opposite", "one flat", "partly opposite"])
def test_the_gradient_is_finite(name):
    images, noisy = a_noisy_pair((1, 161, 161, 2))
    flat = np.full_like(images, 0.4)
    half = np.stack([images[..., 0], 1 - images[..., 1]], axis=-1)
    images, reconstructions = {
        "identical": (images, images),
        "constant": (flat, flat),
        "opposite": (images, 1 - images),
        "one flat": (noisy, flat),
        "partly opposite": (images, half),
    }[name]
    assert np.isfinite(ms_ssim_per_image(images, reconstructions)).all()
    assert np.isfinite(gradient(images, reconstructions)).all()


def test_identical_images_have_ms_ssim_1():
    images, noisy = a_noisy_pair((1, 161, 161, 1))
    for same in (images, noisy, np.zeros_like(images), np.ones_like(images)):
        np.testing.assert_allclose(ms_ssim_per_image(same, same), [1.0], atol=1e-5)


def test_it_compiles_for_any_batch_size():
    signature = [tf.TensorSpec((None, 161, 165, 1)), tf.TensorSpec((None, 161, 165, 1))]
    compiled = tf.function(ms_ssim_per_image, signature, jit_compile=True)
    images, noisy = a_noisy_pair((2, 161, 165, 1))
    np.testing.assert_allclose(compiled(images, noisy), ms_ssim_per_image(images, noisy), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 160, 300, 1), (1, 300, 160, 3)])
def test_images_under_161_pixels_a_side_are_refused(shape):
    with pytest.raises(ValueError, match=rf"at least 161 pixels.*height={shape[1]}, width={shape[2]}"):
        ms_ssim_per_image(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
