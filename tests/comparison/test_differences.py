"""Pairs of contenders, where the answer is known."""

import itertools

import numpy as np
import pytest
from scipy import stats

from cae.comparison.statistics import bootstrap_intervals, compare_pairs


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.0, 1.0, shape)


def test_identical_contenders_are_not_different():
    figures = dict(enumerate(20.0 + noise(3, 40)))
    [pair] = compare_pairs({"a": figures, "b": dict(figures)})
    assert (pair.mean, pair.images_low, pair.images_high, pair.seeds_low, pair.seeds_high) == (0.0,) * 5
    assert pair.verdict == "undecided"


def test_a_constant_difference_is_found_however_much_images_and_seeds_scatter():
    figures = dict(enumerate(20.0 + 5.0 * noise(3, 40)))
    [pair] = compare_pairs({"a": {seed: values + 0.25 for seed, values in figures.items()}, "b": figures})
    for value in (pair.mean, pair.images_low, pair.images_high, pair.seeds_low, pair.seeds_high):
        assert value == pytest.approx(0.25)
    assert pair.verdict == "better"


def test_every_pair_stands_once_the_better_one_first():
    figures = {label: {0: noise(10, seed=number)} for number, label in enumerate("abcd")}
    pairs = compare_pairs(figures)
    assert [(pair.first, pair.second) for pair in pairs] == list(itertools.combinations("abcd", 2))
    for pair in pairs:
        assert pair.mean == pytest.approx((figures[pair.first][0] - figures[pair.second][0]).mean())


def test_a_single_seed_is_set_against_the_same_seed_of_the_other_by_images_alone():
    one, other = {0: 30.0 + noise(60), 1: np.full(60, 99.0)}, {0: 29.0 + noise(60, seed=1)}
    [pair] = compare_pairs({"a": one, "b": other})
    assert pair.mean == pytest.approx((one[0] - other[0]).mean())
    assert pair.seeds_low is None
    assert pair.seeds_high is None
    low, high = bootstrap_intervals((one[0] - other[0])[:, None])[0]
    assert (pair.images_low, pair.images_high) == pytest.approx((low, high))
    assert (pair.verdict, pair.p, pair.low, pair.seeds_needed) == ("undecided", None, None, None)


def test_a_single_seed_that_the_other_lacks_is_set_against_the_mean_of_all():
    one, other = {0: np.full(5, 3.0), 1: np.full(5, 5.0)}, {2: np.full(5, 1.0)}
    [pair] = compare_pairs({"a": one, "b": other})
    assert (pair.mean, pair.seeds_low) == (3.0, None)


@pytest.mark.parametrize("seeds", [(3, 4), (2, 3)])
def test_several_seeds_without_two_in_common_are_compared_by_the_interval_of_welch(seeds):
    base = noise(40)
    one, other = [31.0, 30.0, 32.5], [29.0, 28.5]
    first = {seed: base + mean - base.mean() for seed, mean in enumerate(one)}
    second = {seed: base + mean - base.mean() for seed, mean in zip(seeds, other, strict=True)}
    [pair] = compare_pairs({"a": first, "b": second})
    oracle = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert pair.mean == pytest.approx(np.mean(one) - np.mean(other))
    assert (pair.seeds_low, pair.seeds_high) == pytest.approx((oracle.low, oracle.high))


def test_unpaired_seeds_that_scatter_leave_a_pair_undecided_though_images_agree():
    base = 20.0 + noise(100)
    [pair] = compare_pairs({"a": {0: base + 1.0, 1: base - 0.6}, "b": {2: base + 0.5, 3: base - 0.7}})
    assert pair.images_low > 0.0
    assert pair.seeds_low < 0.0 < pair.seeds_high
    assert pair.verdict == "undecided"


def test_seeds_that_disagree_leave_a_pair_undecided_though_images_agree():
    base = 20.0 + noise(500)
    one = {0: base + 1.0, 1: base - 0.9, 2: base + 0.5}
    [pair] = compare_pairs({"a": one, "b": dict.fromkeys(one, base)})
    assert pair.images_low > 0.0
    # Student's t of 1, -0.9 and 0.5: 0.2 +- 4.3027 * 0.98489 / sqrt(3)
    assert (pair.seeds_low, pair.seeds_high) == pytest.approx((0.2 - 2.44659, 0.2 + 2.44659), abs=1e-4)
    assert pair.verdict == "undecided"


def test_a_single_image_tells_nothing():
    [pair] = compare_pairs({"a": {0: np.array([30.0])}, "b": {0: np.array([20.0])}})
    assert pair.mean == 10.0
    assert pair.verdict == "undecided"


def test_pairs_are_the_same_however_many_are_drawn_together(monkeypatch):
    figures = {str(number): {0: noise(30, seed=number), 1: noise(30, seed=10 + number)} for number in range(5)}
    together = compare_pairs(figures)
    monkeypatch.setattr("cae.comparison.statistics._PAIRS_AT_ONCE", 3)
    for pair, other in zip(compare_pairs(figures), together, strict=True):
        assert pair.images_low == pytest.approx(other.images_low, abs=1e-6)
