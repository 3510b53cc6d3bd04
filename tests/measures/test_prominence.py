"""Prominence of the grid: noise and blur have none, patterns have."""

import gzip
from pathlib import Path

import numpy as np
import pytest

import cae.data
from cae.measures.spectrum import grid_prominence
from tests.measures.pictures import blurred, checkerboard, smooth_pictures

SIZES = [(28, 28), (17, 22), (31, 16)]


def fashion_images():
    path = Path(cae.data.__file__).parent / "bundled" / "t10k-images-idx3-ubyte.gz"
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)[:400] / 255.0


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_white_noise_has_about_0_db(size, period):
    for sigma in (0.02, 0.3):
        noise = np.random.default_rng(1).normal(0.1, sigma, (200, *size, 2))
        assert abs(grid_prominence(noise, period)) < 1.0


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("times", [1, 6])
def test_blur_alone_has_about_0_db(size, period, times):
    pictures = smooth_pictures(200, *size, channels=2)
    assert abs(grid_prominence(blurred(pictures, times) - pictures, period)) < 1.0


@pytest.mark.parametrize("period", [2, 4])
@pytest.mark.parametrize("times", [1, 6])
def test_blur_of_real_images_has_about_0_db(period, times):
    # Their spectra are strongest along both axes, where most of the harmonics are.
    images = fashion_images()
    assert abs(grid_prominence(blurred(images, times) - images, period)) < 1.0


@pytest.mark.parametrize("size", SIZES)
def test_an_injected_checkerboard_stands_out_the_more_the_stronger_it_is(size):
    pictures = smooth_pictures(100, *size)
    residuals = blurred(pictures) - pictures
    grid = checkerboard(*size)
    prominences = [grid_prominence(residuals + e * grid, 2) for e in (0.0, 0.002, 0.005, 0.01, 0.03, 0.1)]
    assert prominences == sorted(prominences)
    assert prominences[3] > 6.0
    assert prominences[-1] > 20.0
    assert grid_prominence(residuals + 0.03 * grid, 4) > 6.0


def test_a_checkerboard_in_noise_has_the_prominence_that_the_formula_says():
    height, width, e, sigma = 19, 26, 0.05, 0.1
    noise = np.random.default_rng(2).normal(0.0, sigma, (1500, height, width, 1))
    expected = 10 * np.log10(1 + 4 / 27 * height * width * e**2 / sigma**2)
    found = grid_prominence(noise + e * checkerboard(height, width), 2)
    assert found == pytest.approx(expected, abs=0.4)
    assert expected > 10.0


def test_a_pattern_of_period_4_shows_at_4_and_not_at_2():
    noise = np.random.default_rng(3).normal(0.0, 0.05, (300, 24, 29, 1))
    stripes = 0.05 * np.cos(2 * np.pi * np.arange(29) / 4 + 0.7)[:, None]
    assert grid_prominence(noise + stripes, 4) > 8.0
    assert abs(grid_prominence(noise + stripes, 2)) < 1.0


def test_the_overlap_pattern_of_a_transposed_convolution_stands_out_where_it_scales_with_brightness():
    pictures = smooth_pictures(200, 27, 22, 3)
    overlap = np.tile([[1.0, 2.0], [2.0, 4.0]], (14, 11))[:27, :, None] / 2.25
    residuals = blurred(pictures) * (0.97 + 0.03 * overlap) - pictures
    assert grid_prominence(residuals, 2) > 6.0


def test_the_place_where_a_pattern_begins_does_not_matter():
    noise = np.random.default_rng(4).normal(0.0, 0.05, (200, 20, 20, 1))
    first, shifted = (grid_prominence(noise + sign * 0.05 * checkerboard(20, 20), 2) for sign in (1, -1))
    assert shifted == pytest.approx(first, abs=0.5)


def test_the_formula_on_the_bins_of_a_discrete_fourier_transform():
    height, width, period = 16, 24, 4
    residuals = np.random.default_rng(5).normal(size=(3, height, width, 2)) + checkerboard(height, width)
    window = [0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n) for n in (height, width)]
    weights = np.outer(*window)[:, :, None] / np.linalg.norm(np.outer(*window))
    power = np.mean(np.abs(np.fft.fft2(residuals * weights, axes=(1, 2))) ** 2, axis=(0, 3))
    ratios = []
    for k in range(0, height, height // period):
        for m in range(0, width, width // period):
            p = {(a, b): power[(k + a) % height, (m + b) % width] for a in (-2, 0, 2) for b in (-2, 0, 2)}
            beside = (p[-2, 0] * p[2, 0] * p[0, -2] * p[0, 2]) ** 0.5
            corners = (p[-2, -2] * p[-2, 2] * p[2, -2] * p[2, 2]) ** 0.25
            ratios.append(p[0, 0] / (beside / corners))
    expected = 10 * np.log10(np.mean(ratios[1:]))
    assert grid_prominence(residuals, period) == pytest.approx(expected, abs=1e-3)


def test_identical_and_constant_pictures_have_0_db_and_a_pure_pattern_is_finite():
    assert grid_prominence(np.zeros((2, 16, 16, 1)), 2) == 0.0
    assert grid_prominence(np.full((2, 19, 17, 1), 0.5), 4) == 0.0
    assert 20.0 < grid_prominence(0.1 * checkerboard(16, 17), 2) < 100.0


def test_pictures_that_are_too_small_for_a_ring_are_refused():
    grid_prominence(np.zeros((1, 16, 16, 1)), 4)
    for shape in [(1, 15, 16, 1), (16, 16, 1)]:
        with pytest.raises(ValueError, match="residuals"):
            grid_prominence(np.zeros(shape), 4)
