from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from cae.measures.catalogue import graph_metrics_per_image
from cae.measures.per_image import PSNR_CAP, mae_per_image, mse_per_image, psnr_from_mse


def a_pair(shape: tuple[int, ...], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random(shape, np.float32), rng.random(shape, np.float32)


@pytest.mark.parametrize("shape", [(3, 7, 5, 1), (2, 1, 9, 3)])
def test_errors_are_means_over_pixels_and_channels_of_each_image(shape):
    images, reconstructions = a_pair(shape)
    differences = (images.astype(float) - reconstructions).reshape(shape[0], -1)
    np.testing.assert_allclose(mse_per_image(images, reconstructions), (differences**2).mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(mae_per_image(images, reconstructions), abs(differences).mean(axis=1), rtol=1e-5)


def test_errors_outside_the_pixel_range_count_in_full():
    images, far = np.zeros((1, 2, 2, 1), np.float32), np.full((1, 2, 2, 1), -3.0, np.float32)
    assert mse_per_image(images, far).numpy() == pytest.approx([9.0])
    assert mae_per_image(images, far).numpy() == pytest.approx([3.0])


def test_psnr_is_ten_decibels_for_each_factor_of_ten():
    psnr = psnr_from_mse([1.0, 0.1, 0.01, 1e-9])
    np.testing.assert_allclose(psnr, [0.0, 10.0, 20.0, 90.0], atol=1e-4)


def test_psnr_agrees_with_tensorflow():
    images, reconstructions = a_pair((4, 8, 6, 3))
    psnr = psnr_from_mse(mse_per_image(images, reconstructions))
    np.testing.assert_allclose(psnr, tf.image.psnr(images, reconstructions, max_val=1.0), rtol=1e-5)


def test_psnr_of_identical_images_is_the_cap_and_nothing_is_above_it():
    psnr = psnr_from_mse([0.0, 1e-10, 1e-12, 1e-30]).numpy()
    np.testing.assert_allclose(psnr, PSNR_CAP, atol=1e-4)
    assert PSNR_CAP == 100.0


@pytest.mark.parametrize("compiled", [False, True])
def test_a_reconstruction_that_is_not_a_number_does_not_get_the_psnr_of_a_perfect_one(compiled):
    psnr = tf.function(psnr_from_mse, jit_compile=compiled)
    assert np.isnan(psnr(tf.constant([np.nan]))).all()


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float64])
def test_results_are_float32_whatever_comes_in(dtype):
    images, reconstructions = (tf.cast(pixels, dtype) for pixels in a_pair((2, 12, 12, 1)))
    exact = a_pair((2, 12, 12, 1))
    for name, values in graph_metrics_per_image(images, reconstructions).items():
        assert values.dtype == tf.float32
        np.testing.assert_allclose(values, graph_metrics_per_image(*exact)[name], rtol=0.02, err_msg=name)


def test_the_mean_of_many_low_precision_pixels_does_not_lose_digits():
    # 2^16 bfloat16 errors of 1: summed in bfloat16 they would stop growing at 256.
    images = tf.zeros((1, 256, 256, 1), tf.bfloat16)
    assert mse_per_image(images, images + 1).numpy() == pytest.approx([1.0])


def test_quality_holds_the_four_measures_of_each_image():
    images, reconstructions = a_pair((3, 16, 16, 1))
    quality = graph_metrics_per_image(images, reconstructions)
    assert list(quality) == ["mse", "mae", "psnr", "ssim"]
    assert all(values.shape == (3,) for values in quality.values())
    np.testing.assert_allclose(quality["psnr"], -10 * np.log10(quality["mse"]), rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "reconstructions", "what"),
    [
        (np.zeros((1, 4, 4, 1), np.float32), np.zeros((1, 4, 4, 3), np.float32), "same shape"),
        (np.zeros((4, 4, 1), np.float32), np.zeros((4, 4, 1), np.float32), "shape=\\(4, 4, 1\\)"),
        (np.zeros((1, 4, 4, 1), np.uint8), np.zeros((1, 4, 4, 1), np.uint8), "dtype=uint8"),
    ],
)
def test_what_is_not_a_pair_of_floating_point_images_is_refused(images, reconstructions, what):
    with pytest.raises(ValueError, match=what):
        mse_per_image(images, reconstructions)
