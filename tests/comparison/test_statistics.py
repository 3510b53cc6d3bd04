"""Intervals against closed forms, published tables and simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from cae.comparison.statistics import bootstrap_intervals, estimate, welch_interval


@pytest.mark.parametrize(
    ("number", "quantile"),
    # of a printed table of Student's t, 0.975: one, two, four and nine degrees of freedom
    [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622)],
)
def test_an_interval_is_the_tables_t_times_the_standard_error(number, quantile):
    values = np.random.default_rng(number).normal(20.0, 1.0, number)
    found = estimate(values.tolist())
    half = quantile * values.std(ddof=1) / math.sqrt(number)
    assert found.high - found.mean == pytest.approx(half, rel=1e-4)
    assert found.mean - found.low == pytest.approx(half, rel=1e-4)


def test_an_estimate_of_one_seed_has_no_interval_and_of_none_is_an_error():
    found = estimate([3.5])
    assert (found.mean, found.low, found.high, found.values) == (3.5, None, None, (3.5,))
    with pytest.raises(ValueError, match="at least one value"):
        estimate([])


def test_an_estimate_of_equal_values_is_the_value_itself():
    found = estimate([2.0, 2.0, 2.0])
    assert (found.low, found.mean, found.high) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_over_seeds_cover_the_true_mean_95_times_of_100(seeds):
    generator = np.random.default_rng(seeds)
    trials = [estimate(generator.normal(7.0, 2.0, seeds).tolist()) for _ in range(2000)]
    covered = np.mean([found.low < 7.0 < found.high for found in trials])
    assert covered == pytest.approx(0.95, abs=0.02)  # four standard errors


def test_bootstrap_intervals_cover_the_true_mean_of_skewed_figures_about_95_times_of_100():
    generator = np.random.default_rng(1)
    columns = generator.gamma(2.0, 0.5, (200, 400))  # mean 1; each column a set of images
    intervals = bootstrap_intervals(columns, resamples=500)
    assert np.mean((intervals[:, 0] < 1.0) & (intervals[:, 1] > 1.0)) == pytest.approx(0.94, abs=0.04)


def test_bootstrap_intervals_of_many_images_are_the_normal_ones():
    column = np.random.default_rng(2).normal(0.3, 1.5, (5000, 1))
    low, high = bootstrap_intervals(column, resamples=4000)[0]
    half = 1.96 * column.std() / math.sqrt(5000)
    assert (high - low) / 2 == pytest.approx(half, rel=0.06)
    assert (high + low) / 2 == pytest.approx(column.mean(), abs=0.1 * half)


def test_each_resample_is_a_mean_over_as_many_images_drawn_with_replacement():
    # Of two images 0 and 1 the mean is 0, 1/2 or 1 with probabilities 1/4, 1/2, 1/4.
    low, high = bootstrap_intervals(np.array([[0.0], [1.0]]))[0]
    assert (low, high) == (0.0, 1.0)


def test_columns_without_differences_and_with_a_constant_one_have_no_width():
    columns = np.stack([np.zeros(77), np.full(77, 0.1), np.full(77, -3.0)], axis=1)
    intervals = bootstrap_intervals(columns)
    assert intervals[0].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(intervals[1:], [[0.1, 0.1], [-3.0, -3.0]], rtol=1e-12)


def test_the_draws_are_shared_by_the_columns_and_do_not_depend_on_how_many_are_held_at_a_time(monkeypatch):
    columns = np.random.default_rng(3).normal(size=(50, 3))
    together = bootstrap_intervals(columns, resamples=200)
    monkeypatch.setattr("cae.comparison.statistics._WEIGHTS_AT_ONCE", 7 * 50)
    np.testing.assert_allclose(bootstrap_intervals(columns[:, 1:2], resamples=200)[0], together[1], atol=1e-6)
    assert not np.allclose(bootstrap_intervals(columns, resamples=200, seed=1), together, atol=1e-3)


@pytest.mark.parametrize("sizes", [(2, 2), (2, 7), (5, 3)])
def test_welchs_interval_is_that_of_the_library(sizes):
    one, other = (np.random.default_rng(size).normal(3.0, size, size).tolist() for size in sizes)
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert welch_interval(one, other) == pytest.approx((expected.low, expected.high))


def test_welchs_interval_of_seeds_without_scatter_has_no_width():
    assert welch_interval([2.0, 2.0], [1.5, 1.5, 1.5]) == (0.5, 0.5)
    low, high = welch_interval([2.0, 2.0], [1.0, 2.0])  # one degree of freedom, standard error 1/2
    assert (low, high) == pytest.approx((0.5 - 12.7062 / 2, 0.5 + 12.7062 / 2), rel=1e-4)
