"""Scores against the formulas they stand for."""

import numpy as np
import pytest

from cae.anomaly import error_map, score_images
from cae.anomaly import scores as quality
from cae.anomaly.scores import color_errors
from cae.measures.catalogue import metrics_per_image
from tests.conftest import make_images

IMAGES = make_images(3, 37, 29, 3)
MADE = np.clip(IMAGES / 255.0 + np.random.default_rng(0).normal(0, 0.1, IMAGES.shape), 0, 1).astype(np.float32)
ERRORS = IMAGES / 255.0 - MADE


def test_scores_are_means_over_pixels_and_channels():
    np.testing.assert_allclose(score_images(IMAGES, MADE, "mse"), (ERRORS**2).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(score_images(IMAGES, MADE, "mae"), np.abs(ERRORS).mean((1, 2, 3)), rtol=1e-5)
    ssim = metrics_per_image(IMAGES.astype(np.float32) / 255, MADE)["ssim"]
    np.testing.assert_allclose(score_images(IMAGES, MADE, "ssim"), 1 - ssim, atol=1e-5)
    highest = np.sort((ERRORS**2).mean(-1).reshape(3, -1), axis=1)[:, -11:]  # a hundredth of 37 x 29
    np.testing.assert_allclose(score_images(IMAGES, MADE, "top"), highest.mean(1), rtol=1e-5)
    np.testing.assert_allclose(error_map(IMAGES[0], MADE[0]), np.abs(ERRORS[0]).mean(-1), atol=1e-6)


@pytest.mark.parametrize("pixels", [1, 29 * 3 * 4, 29 * 3 * 36])
@pytest.mark.parametrize("rows", [37, 11, 6])
def test_strips_measure_what_the_whole_measures(monkeypatch, pixels, rows):
    monkeypatch.setattr(quality, "_MOST_PIXELS", pixels)
    images, made = IMAGES[:, :rows], MADE[:, :rows]
    whole = metrics_per_image(images.astype(np.float32) / 255, made)
    found = quality.measure_quality(images, made)
    for name in ("mse", "psnr", "ssim"):
        np.testing.assert_allclose(found[name], whole[name], rtol=1e-4, atol=1e-5)


def test_a_small_defect_has_a_high_peak_wherever_it_is_and_a_low_mean():
    made = np.zeros((4, 64, 64, 1), np.float32)
    images = made.copy()
    images[0, 30:36, 30:36] = 1
    images[1, 0:6, 58:64] = 1  # in a corner
    images[2] = 0.2  # a little everywhere
    peaks, means = score_images(images, made, "peak"), score_images(images, made, "mse")
    assert peaks[0] > 5 * peaks[2]
    assert means[0] < means[2]
    assert peaks[1] >= peaks[0]
    assert peaks[3] == 0
    assert peaks[2] == pytest.approx(0.04, rel=1e-4)  # even errors are their own local mean


def test_heat_maps_have_the_pictures_size_and_one_scale():
    errors = np.array([[0.0, 0.25], [0.125, 0.0]], np.float32)
    picture = color_errors(errors)
    assert picture.tolist() == [[[0, 0, 4], [252, 255, 164]], [[188, 55, 84], [0, 0, 4]]]
    assert color_errors(errors, (7, 5)).shape == (7, 5, 3)
