"""High-frequency energy ratio: waves of known frequency, blur, and flat pictures."""

import itertools

import numpy as np
import pytest

from cae.measures.spectrum import high_frequency_ratio
from tests.measures.pictures import blurred, checkerboard, smooth_pictures


def wave(height, width, fy, fx):
    i, j = np.indices((height, width))
    return np.cos(2 * np.pi * (fy * i + fx * j))[None, :, :, None]


def test_a_reconstruction_that_is_its_image_has_1():
    images = smooth_pictures(5, 19, 14, 3)
    assert high_frequency_ratio(images, images).tolist() == [1.0] * 5


@pytest.mark.parametrize("size", [(32, 32), (37, 48)])
def test_only_energy_above_half_the_nyquist_frequency_counts(size):
    slow, fast = 0.2 * wave(*size, 0.1, 0.05), 0.1 * wave(*size, 0.3, 0.3)
    images = 0.5 + slow + fast
    ratio = high_frequency_ratio(np.repeat(images, 4, axis=0), np.concatenate([
        0.5 + slow + 0.5 * fast,  # half the amplitude: a quarter of the energy
        0.5 + 0.1 * slow + fast,
        0.5 + slow,
        0.5 + slow + 2.0 * fast,
    ]))  # fmt: skip
    np.testing.assert_allclose(ratio, [0.25, 1.0, 0.0, 4.0], atol=0.01)


@pytest.mark.parametrize(("frequency", "expected"), [((0.0, 0.15), 1.0), ((0.0, 0.35), 0.5), ((0.2, 0.2), 0.5)])
def test_frequencies_are_measured_along_the_diagonal_too(frequency, expected):
    # What is taken away is fine or not by its distance from frequency zero, in any direction.
    rest, taken = 0.2 * wave(40, 40, 0.4, 0.1), 0.2 * wave(40, 40, *frequency)
    assert high_frequency_ratio(rest + taken, rest).item() == pytest.approx(expected, abs=0.02)


def test_more_blur_leaves_less():
    images = np.random.default_rng(1).random((20, 21, 25, 3))
    ratios = [high_frequency_ratio(images, blurred(images, times)).mean() for times in (0, 1, 2, 4)]
    assert ratios[0] == 1.0
    assert all(more > 2 * less for more, less in itertools.pairwise(ratios))


def test_an_added_grid_makes_it_larger():
    images = smooth_pictures(4, 20, 20)
    assert np.all(high_frequency_ratio(images, images + 0.05 * checkerboard(20, 20)) > 1.1)


def test_each_image_has_its_own_ratio():
    images = np.random.default_rng(2).random((3, 16, 18, 2))
    factors = np.array([1.0, 0.5, 0.0])
    ratios = high_frequency_ratio(images, 0.5 + factors[:, None, None, None] * (images - 0.5))
    np.testing.assert_allclose(ratios, factors**2, atol=1e-3)


def test_flat_images_are_finite_and_1_when_their_reconstruction_is_flat():
    flat = np.full((2, 12, 13, 1), 0.4)
    np.testing.assert_allclose(high_frequency_ratio(flat, flat + 0.2), 1.0)
    noisy = high_frequency_ratio(flat, flat + 0.1 * checkerboard(12, 13))
    assert np.all(np.isfinite(noisy) & (noisy > 100.0))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 2, 3, 1), (1, 1, 9, 2)])
def test_the_smallest_pictures_are_finite(shape):
    generator = np.random.default_rng(3)
    assert np.all(np.isfinite(high_frequency_ratio(generator.random(shape), generator.random(shape))))


def test_unlike_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        high_frequency_ratio(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 3)))
    with pytest.raises(ValueError, match="one shape"):
        high_frequency_ratio(np.zeros((8, 8, 1)), np.zeros((8, 8, 1)))
