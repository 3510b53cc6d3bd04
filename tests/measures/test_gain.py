"""Unevenness of kernels, against fractions worked out by hand and against the layers themselves."""

import math

import keras
import numpy as np
import pytest

from cae.layers import Conv2DTransposeToSize
from cae.measures.stages import overlap_unevenness, phase_gains, unevenness


@pytest.mark.parametrize("channels", [(1, 1), (5, 3)])
@pytest.mark.parametrize(
    ("kernel_size", "strides", "expected"),
    [
        (3, 2, math.sqrt(19) / 9),  # phases 1, 2, 2, 4: 0.4843
        (5, 2, math.sqrt(51) / 25),  # phases 4, 6, 6, 9: 0.2857
        (2, 2, 0.0),
        (4, 2, 0.0),
        (6, 2, 0.0),
        (1, 2, math.sqrt(3)),  # phases 1, 0, 0, 0: gaps
        (3, 3, 0.0),
        (4, 3, math.sqrt(2.0**2 / (4 / 3) ** 4 - 1)),  # a side has 2, 1, 1: mean square 2, mean 4/3
    ],
)
def test_equal_taps_are_as_uneven_as_their_overlap(kernel_size, strides, expected, channels):
    gains = phase_gains(np.full((kernel_size, kernel_size, *channels), 0.7), strides)
    assert unevenness(gains) == pytest.approx(expected, abs=1e-12)
    assert overlap_unevenness(gains) == pytest.approx(expected, abs=1e-12)


def test_the_known_values_to_four_places():
    values = [round(unevenness(phase_gains(np.ones((k, k, 1, 1)), 2)), 4) for k in (3, 5, 4)]
    assert values == [0.4843, 0.2857, 0.0]


@pytest.mark.parametrize("layer", [keras.layers.Conv2DTranspose, Conv2DTransposeToSize])
def test_a_3x3_transposed_convolution_of_ones_answers_a_constant_with_1_2_2_4(layer):
    options = {"padding": "same"} if layer is keras.layers.Conv2DTranspose else {}
    upsample = layer(1, 3, strides=2, kernel_initializer="ones", **options)
    inside = np.asarray(upsample(np.ones((1, 6, 6, 1), "float32")))[0, 4:8, 4:8, 0]
    phases = [[set(inside[a::2, b::2].ravel().tolist()) for b in (0, 1)] for a in (0, 1)]
    assert all(len(values) == 1 for row in phases for values in row)
    assert sorted(values.pop() for row in phases for values in row) == [1.0, 2.0, 2.0, 4.0]
    assert sorted(phase_gains(upsample.kernel, 2).ravel().tolist()) == [1.0, 2.0, 2.0, 4.0]


@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 2), (4, 2), (5, 3), (7, 4), (2, 3)])
def test_phase_gains_are_what_a_transposed_convolution_makes_of_a_constant(kernel_size, strides):
    upsample = Conv2DTransposeToSize(
        3, kernel_size, strides, kernel_initializer=keras.initializers.RandomNormal(seed=kernel_size), dtype="float64"
    )
    constant = np.random.default_rng(1).normal(size=2)
    picture = np.asarray(upsample(np.broadcast_to(constant, (1, 9, 9, 2))))[0]
    period = picture[4 * strides : 5 * strides, 4 * strides : 5 * strides]  # [s, s, out]
    answers = np.einsum("aboi,i->abo", phase_gains(upsample.kernel, strides), constant)
    # SAME padding shifts the phases.
    shifts = [np.roll(answers, (a, b), (0, 1)) for a in range(strides) for b in range(strides)]
    assert min(np.abs(period - shifted).max() for shifted in shifts) < 1e-12


def test_unevenness_is_the_spread_of_the_gain_matrices_over_their_mean():
    gains = np.random.default_rng(2).normal(size=(3, 3, 4, 2)) + 0.5
    mean = sum(gains[a, b] for a in range(3) for b in range(3)) / 9
    squares = [np.linalg.norm(gains[a, b] - mean, "fro") ** 2 for a in range(3) for b in range(3)]
    assert unevenness(gains) == pytest.approx(math.sqrt(sum(squares) / 9) / np.linalg.norm(mean, "fro"))


def test_only_proportions_between_phases_count():
    gains = np.random.default_rng(3).normal(size=(2, 2, 3, 3))
    for measure in (unevenness, overlap_unevenness):
        assert measure(-7.0 * gains) == pytest.approx(measure(gains))
        assert measure(gains[::-1]) == pytest.approx(measure(gains))
        assert measure(gains.transpose(1, 0, 3, 2)) == pytest.approx(measure(gains))


def test_overlap_is_part_of_the_unevenness_and_all_of_it_where_phases_differ_by_positive_factors():
    generator = np.random.default_rng(4)
    for _ in range(50):
        gains = generator.normal(size=(2, 2, 2, 3)) + generator.normal()
        assert overlap_unevenness(gains) < unevenness(gains)
    scaled = generator.random((2, 2, 1, 1)) * generator.normal(size=(2, 3))
    assert overlap_unevenness(scaled) == pytest.approx(unevenness(scaled))


def test_a_kernel_that_paints_a_checkerboard_is_infinitely_uneven_with_equal_strengths():
    gains = phase_gains(np.array([[1.0, -1.0], [-1.0, 1.0]]).reshape(2, 2, 1, 1), 2)
    assert unevenness(gains) == math.inf
    assert overlap_unevenness(gains) == 0.0


def test_a_kernel_of_zeros_is_even():
    gains = phase_gains(np.zeros((3, 3, 2, 2)), 2)
    assert unevenness(gains) == overlap_unevenness(gains) == 0.0


def test_random_taps_make_phases_unlike_whatever_the_kernel_and_overlap_still_orders_kernels():
    for seed in range(5):
        generator = np.random.default_rng(seed)
        gains = {k: phase_gains(generator.uniform(-1, 1, (k, k, 32, 32)), 2) for k in (3, 4, 5)}
        for value in gains.values():
            assert unevenness(value) == pytest.approx(math.sqrt(3), rel=0.1)
        overlap = {k: overlap_unevenness(value) for k, value in gains.items()}
        # The strengths are as the roots of 1, 2, 2, 4 taps and of 4, 6, 6, 9 taps.
        assert overlap[3] == pytest.approx(np.std([1, 2**0.5, 2**0.5, 2]) / np.mean([1, 2**0.5, 2**0.5, 2]), abs=0.03)
        assert overlap[5] == pytest.approx(np.std([2, 6**0.5, 6**0.5, 3]) / np.mean([2, 6**0.5, 6**0.5, 3]), abs=0.03)
        assert overlap[3] > overlap[5] > overlap[4] > 0.0
        assert overlap[4] < 0.05


def test_what_is_no_kernel_is_refused():
    with pytest.raises(ValueError, match="four axes"):
        phase_gains(np.ones((3, 3)), 2)
    with pytest.raises(ValueError, match="strides=0"):
        phase_gains(np.ones((3, 3, 1, 1)), 0)
