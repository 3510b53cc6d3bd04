"""The stream of batches against the measures of the whole."""

import json

import numpy as np
import pytest
import tensorflow as tf

from cae.measures.meter import ArtefactMeter
from cae.measures.spectrum import expected_from_noise, grid_prominence, phase_amplitude
from tests.measures.pictures import blurred, checkerboard, smooth_pictures


@pytest.fixture(name="pair")
def fixture_pair():
    images = smooth_pictures(23, 17, 22, 3)
    generator = np.random.default_rng(1)
    return images, blurred(images) + 0.02 * checkerboard(17, 22) + generator.normal(0.0, 0.01, images.shape)


def measure(images, reconstructions, sizes=(1000,)):
    meter, first = ArtefactMeter(), 0
    for size in sizes:
        meter.add(images[first : first + size], reconstructions[first : first + size])
        first += size
    return meter


def flat(result):
    """All numbers under one name each."""
    numbers = {}
    for name, values in result.items():
        by_period = values if isinstance(values, dict) else {"": values}
        numbers |= {f"{name} {period}": value for period, value in by_period.items()}
    return numbers


def test_the_result_is_made_of_the_measures(pair):
    images, reconstructions = pair
    residuals = reconstructions - images
    result = measure(images, reconstructions).result()
    variance = np.mean([residuals[n, :, :, c].var() for n in range(23) for c in range(3)])
    for s in (2, 4):
        assert result["phase_amplitude"][str(s)] == pytest.approx(np.sqrt(np.mean(phase_amplitude(residuals, s) ** 2)))
        noise = np.sqrt(expected_from_noise(variance, 17, 22, s))
        assert result["phase_amplitude_noise"][str(s)] == pytest.approx(noise)
        mean = residuals.mean(axis=0, keepdims=True)
        assert result["phase_amplitude_shared"][str(s)] == pytest.approx(phase_amplitude(mean, s).item())
        assert result["prominence_db"][str(s)] == pytest.approx(grid_prominence(residuals, s))


@pytest.mark.parametrize("sizes", [(23,), (8, 8, 7), (1,) * 23, (22, 1)])
def test_the_batches_do_not_matter(pair, sizes):
    whole, parts = measure(*pair), measure(*pair, sizes)
    assert flat(parts.result()) == pytest.approx(flat(whole.result()))
    np.testing.assert_allclose(parts.residual_spectrum_db(), whole.residual_spectrum_db())


def test_large_batches_are_transformed_in_parts(pair, monkeypatch):
    whole = flat(measure(*pair).result())
    monkeypatch.setattr("cae.measures.spectrum._VALUES_AT_ONCE", 5 * 17 * 22 * 3)
    assert flat(measure(*pair).result()) == pytest.approx(whole)


def test_tensors_of_any_float_type_are_taken(pair):
    images, reconstructions = tf.constant(pair[0], tf.float32), tf.cast(tf.constant(pair[1]), tf.bfloat16)
    exact = [tf.cast(part, tf.float64).numpy() for part in (images, reconstructions)]
    assert flat(measure(images, reconstructions).result()) == pytest.approx(flat(measure(*exact).result()))


def test_a_pattern_that_every_image_has_is_shared_and_one_that_changes_its_sign_is_not():
    images = smooth_pictures(40, 16, 16)
    shared = measure(images, images + 0.1 * checkerboard(16, 16)).result()
    signs = np.tile([1.0, -1.0], 20)[:, None, None, None]
    alternating = measure(images, images + 0.1 * signs * checkerboard(16, 16)).result()
    for result in (shared, alternating):
        assert result["phase_amplitude"]["2"] == pytest.approx(0.1)
        assert result["prominence_db"]["2"] > 20.0
    assert shared["phase_amplitude_shared"]["2"] == pytest.approx(0.1)
    assert alternating["phase_amplitude_shared"]["2"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("images", "reconstructions"),
    [
        (np.zeros((2, 16, 19, 1)), np.zeros((2, 16, 19, 1))),
        (np.full((2, 16, 19, 3), 0.3), np.full((2, 16, 19, 3), 0.8)),
        (np.random.default_rng(2).random((2, 20, 16, 1)),) * 2,
        (np.zeros((1, 17, 16, 1)), 0.5 + 0.5 * checkerboard(17, 16)),
    ],
    ids=["zeros", "constants", "identical", "pure pattern"],
)
def test_every_number_is_finite_and_goes_into_json(images, reconstructions):
    meter = measure(images, reconstructions)
    result = meter.result()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert set(result["phase_amplitude"]) == set(result["prominence_db"]) == {"2", "4"}
    assert np.all(np.isfinite(meter.residual_spectrum_db()))


def test_periods_that_the_pictures_are_too_small_for_are_left_out():
    for size, amplitudes, prominences in [
        ((15, 10), "24", "2"),
        ((7, 9), "24", ""),
        ((3, 9), "2", ""),
        ((1, 1), "", ""),
    ]:
        result = measure(np.zeros((2, *size, 1)), np.ones((2, *size, 1))).result()
        assert set(result["phase_amplitude"]) == set(result["phase_amplitude_noise"]) == set(amplitudes)
        assert set(result["prominence_db"]) == set(prominences)


@pytest.mark.parametrize("size", [(16, 16), (15, 18)])
def test_the_spectrum_of_white_noise_is_its_variance_and_a_checkerboards_peak_is_in_the_corner(size):
    images = np.zeros((300, *size, 2))
    noise = np.random.default_rng(3).normal(0.0, 0.1, images.shape)
    spectrum = measure(images, noise).residual_spectrum_db()
    assert spectrum.shape == size
    np.testing.assert_allclose(spectrum, -20.0, atol=2.0)
    slow = measure(images[:1], images[:1] + 0.1).residual_spectrum_db()
    assert np.unravel_index(slow.argmax(), size) == (size[0] // 2, size[1] // 2)
    assert measure(images[:1], 0.1 * checkerboard(*size, channels=2)).residual_spectrum_db()[0, 0] > -5.0


def test_wrong_shapes_and_no_images_are_refused():
    meter = ArtefactMeter()
    with pytest.raises(ValueError, match="No images"):
        meter.result()
    meter.add(np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1)))
    with pytest.raises(ValueError, match="No images"):
        meter.residual_spectrum_db()
    meter.add(np.zeros((2, 8, 8, 1)), np.zeros((2, 8, 8, 1)))
    for shape, other in [((2, 8, 9, 1), (2, 8, 9, 1)), ((2, 8, 8, 1), (1, 8, 8, 1)), ((8, 8, 1), (8, 8, 1))]:
        with pytest.raises(ValueError, match="one shape"):
            meter.add(np.zeros(shape), np.zeros(other))
