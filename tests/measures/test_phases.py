"""Phase-locked amplitude: exact patterns, and the statistics of noise."""

import numpy as np
import pytest

from cae.measures.spectrum import expected_from_noise, phase_amplitude
from tests.measures.pictures import checkerboard, smooth_pictures

SIZES = [(8, 8), (15, 10), (7, 13), (28, 28), (4, 4)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("amplitude", [1e-3, 0.1, -0.5])
def test_an_injected_checkerboard_of_amplitude_e_has_a2_of_e(size, amplitude):
    residuals = amplitude * checkerboard(*size, channels=3)
    np.testing.assert_allclose(phase_amplitude(residuals, 2), abs(amplitude), rtol=1e-12)


def test_a_pattern_on_top_of_a_constant_has_the_spread_of_its_own_phases():
    pattern = np.array([[1.0, 2.0], [2.0, 4.0]])
    residuals = 0.3 + np.tile(pattern, (5, 6))[None, :9, :11, None]
    np.testing.assert_allclose(phase_amplitude(residuals, 2), np.sqrt(19) / 4)


@pytest.mark.parametrize("period", [2, 3, 4])
def test_a_shifted_pattern_has_the_same_amplitude(period):
    generator = np.random.default_rng(period)
    tile = generator.normal(size=(period, period, 2))
    grid = np.tile(tile, (9, 9, 1))[None]
    amplitudes = [
        phase_amplitude(grid[:, a : a + 23, b : b + 18], period).item() for a in range(period) for b in range(period)
    ]
    expected = np.sqrt(np.mean([tile[..., c].var() for c in (0, 1)]))
    np.testing.assert_allclose(amplitudes, expected)


def test_channels_enter_by_their_mean_square():
    residuals = checkerboard(6, 8, channels=3) * [0.0, 0.3, 0.4]
    np.testing.assert_allclose(phase_amplitude(residuals, 2), np.sqrt((0.09 + 0.16) / 3))


def test_each_image_has_its_own_amplitude():
    residuals = np.array([0.1, 0.0, 0.4])[:, None, None, None] * checkerboard(5, 5)
    np.testing.assert_allclose(phase_amplitude(residuals, 2), [0.1, 0.0, 0.4], atol=1e-15)


def test_the_amplitude_is_the_power_at_the_harmonics_by_parseval():
    residuals = np.random.default_rng(1).normal(size=(3, 12, 20, 2))
    power = np.abs(np.fft.fft2(residuals, axes=(1, 2))) ** 2 / (12 * 20) ** 2
    for period in (2, 4):
        at_harmonics = power[:, :: 12 // period, :: 20 // period].sum(axis=(1, 2)) - power[:, 0, 0]
        np.testing.assert_allclose(phase_amplitude(residuals, period) ** 2, at_harmonics.mean(axis=1))


def test_period_4_sees_what_period_2_sees_and_more():
    residuals = smooth_pictures(5, 17, 22, 3) - 0.5
    for pictures in (residuals[:, :16, :20], 0.2 * checkerboard(9, 10)):
        assert np.all(phase_amplitude(pictures, 4) >= phase_amplitude(pictures, 2) - 1e-12)


def test_the_expectation_is_the_formula_where_the_period_fits():
    for height, width, period in [(28, 28, 2), (28, 28, 4), (12, 20, 4), (9, 6, 3)]:
        expected = 0.7 * (period**2 - 1) / (height * width)
        assert expected_from_noise(0.7, height, width, period) == pytest.approx(expected)


@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 9), (5, 11)])
@pytest.mark.parametrize("period", [2, 4])
def test_the_square_of_white_noises_amplitude_averages_to_the_expectation(height, width, period):
    sigma = 0.3
    noise = np.random.default_rng(2).normal(0.4, sigma, (8000, height, width, 2))
    squares = phase_amplitude(noise, period) ** 2
    error = squares.std() / np.sqrt(len(squares))
    assert squares.mean() == pytest.approx(expected_from_noise(sigma**2, height, width, period), abs=5 * error)
    assert 5 * error < 0.06 * squares.mean()


def test_constants_have_no_amplitude():
    assert phase_amplitude(np.full((2, 9, 9, 3), 0.25), 2).tolist() == [0.0, 0.0]


def test_what_is_no_picture_or_too_small_is_refused():
    for shape in [(9, 9, 1), (1, 3, 9, 1)]:
        with pytest.raises(ValueError, match="residuals"):
            phase_amplitude(np.zeros(shape), 4)
