"""Intervals of accuracies, against SciPy and by trying them out."""

import numpy as np
import pytest
from scipy import stats

from cae.features.quality import paired_interval, wilson_interval


@pytest.mark.parametrize(("right", "total"), [(0, 7), (7, 7), (1, 1), (30, 41), (8431, 10_000)])
def test_an_accuracys_interval_is_scipys(right, total):
    expected = stats.binomtest(right, total).proportion_ci(0.95, "wilson")
    assert wilson_interval(right, total) == pytest.approx((expected.low, expected.high), abs=1e-6)


@pytest.mark.parametrize(("gained", "lost"), [(0.05, 0.03), (0.2, 0.2), (0.01, 0.0)])
def test_the_interval_of_a_difference_covers_the_truth_in_95_of_100_experiments(gained, lost):
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        outcome = generator.random(300)
        first = outcome < 0.5 + gained
        second = (outcome < 0.5) | (outcome > 1 - lost)
        low, high = paired_interval(first, second)
        covered += low <= gained - lost <= high
    assert covered >= 930


def test_images_that_both_or_neither_got_right_do_not_widen_an_interval_much():
    generator = np.random.default_rng(1)
    first = generator.random(400) < 0.5
    second = first.copy()
    second[:8] ^= True
    low, high = paired_interval(first, second)
    assert high - low < 0.04
    independent = generator.random(400) < 0.5
    low, high = paired_interval(first, independent)
    assert high - low > 0.1
