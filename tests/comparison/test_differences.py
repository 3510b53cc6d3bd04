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


def equally_scattered(means, num_seeds, scatter=0.1, images=200):
    """Contenders whose trainings scatter alike about these means, the best first; no image is special."""
    generator = np.random.default_rng(3)
    return {
        str(place): {seed: mean + generator.normal(0, scatter) + np.zeros(images) for seed in range(num_seeds)}
        for place, mean in enumerate(means)
    }


def test_the_test_pools_scatter_over_all_contenders_and_takes_a_pairs_own_where_it_is_larger():
    figures = equally_scattered((5.0, 4.0, 3.0), 4)
    table = np.array([[values.mean() for values in own.values()] for own in figures.values()])
    residuals = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    pooled = 2 * np.square(residuals).sum() / (2 * 3)  # (3 - 1)(4 - 1) degrees of freedom
    for pair, (i, j) in zip(compare_pairs(figures), itertools.combinations(range(3), 2), strict=True):
        differences = table[i] - table[j]
        variance = max(pooled, differences.var(ddof=1))
        t = differences.mean() / np.sqrt(variance / 4)
        assert pair.p == pytest.approx(2 * stats.t.sf(t, 6), rel=1e-6)
        half = stats.t.ppf(1 - 0.025 / 3, 6) * np.sqrt(variance / 4)
        assert (pair.low, pair.high) == pytest.approx((differences.mean() - half, differences.mean() + half))


def test_two_contenders_are_compared_by_the_paired_t_test_of_the_library():
    figures = equally_scattered((5.0, 4.9), 5)
    [pair] = compare_pairs(figures)
    means = [[values.mean() for values in own.values()] for own in figures.values()]
    assert pair.p == pair.p_adjusted == pytest.approx(stats.ttest_rel(*means).pvalue, rel=1e-6)


def test_other_images_make_an_interval_wider_than_other_seeds_alone():
    generator = np.random.default_rng(4)
    figures = equally_scattered((5.0, 4.0), 5)
    noisy = {
        label: {seed: values + generator.normal(0, 1, 200) for seed, values in own.items()}
        for label, own in figures.items()
    }
    for one, other in zip(compare_pairs(figures), compare_pairs(noisy), strict=True):
        assert other.high - other.low > one.high - one.low
    column = np.mean([noisy["0"][seed] - noisy["1"][seed] for seed in range(5)], axis=0)
    differences = [(noisy["0"][seed] - noisy["1"][seed]).mean() for seed in range(5)]
    variance = np.var(differences, ddof=1) / 5 + column.var(ddof=1) / 200
    assert other.p == pytest.approx(2 * stats.t.sf(column.mean() / np.sqrt(variance), 4), rel=1e-6)


@pytest.mark.parametrize(("band", "is_equivalent"), [(0.3, True), (0.051, False), (None, False)])
def test_a_difference_well_within_the_band_is_equivalent_by_two_one_sided_tests(band, is_equivalent):
    base = 20.0 + noise(50)
    steps = {0: 0.06, 1: 0.05, 2: 0.04}
    [pair] = compare_pairs({"a": {s: base + d for s, d in steps.items()}, "b": dict.fromkeys(steps, base)}, band=band)
    assert pair.equivalent == is_equivalent
    assert pair.verdict == ("equivalent" if is_equivalent else "better")
    if band:
        below = stats.ttest_1samp(list(steps.values()), band, alternative="less").pvalue
        assert (below < 0.05) == is_equivalent


def test_the_probability_is_that_of_a_better_image_whichever_way_the_metric_goes():
    figures = {"a": {0: np.array([1.0, 2.0, 3.0, 4.0])}, "b": {0: np.array([2.0, 3.0, 4.0, 3.0]), 1: np.full(4, 9.0)}}
    [pair] = compare_pairs(figures, less_is_better=True)
    assert pair.probability == 7 / 8
    assert compare_pairs(figures)[0].probability == 1 / 8


def test_the_seeds_that_are_said_to_be_needed_decide_about_four_reports_in_five():
    base, differences = np.full(9, 20.0), np.array([0.5, 0.1, 0.0])
    [pair] = compare_pairs({"a": {s: base + d for s, d in enumerate(differences)}, "b": dict.fromkeys(range(3), base)})
    assert pair.verdict == "undecided"
    draws = np.random.default_rng(5).normal(
        differences.mean(), differences.std(ddof=1), (4000, len(differences) + pair.seeds_needed)
    )
    decided = stats.ttest_1samp(draws, 0.0, axis=1).pvalue < 0.05
    assert decided.mean() == pytest.approx(0.8, abs=0.06)


def test_a_contender_that_is_behind_on_the_common_seeds_is_not_called_better():
    base = 20.0 + noise(50)
    one = {0: base - 1.0, 1: base - 1.01, 2: base + 9.0}
    other = {0: base, 1: base}
    [pair] = compare_pairs({"a": one, "b": other})
    assert pair.mean < 0
    assert pair.verdict == "undecided"


@pytest.mark.parametrize(("decoders", "seeds"), [(2, 5), (3, 3), (6, 4), (10, 3)])
def test_p_values_of_pairs_and_those_after_holm_are_the_pooled_t_tests_of_scikit_posthocs(decoders, seeds):
    import pandas
    import scikit_posthocs  # takes seconds, which only this test and that of ranks need

    rng = np.random.default_rng(decoders)
    residuals = rng.normal(0.0, 0.2, seeds)
    # All scatter alike, so that no pair's own scatter is larger; no seed is that of another; means have ties.
    means = np.sort(np.round(rng.normal(0.0, 0.3, decoders), 1))[::-1]
    table = {str(i): mean + rng.permutation(residuals) for i, mean in enumerate(means)}
    figures = {
        label: {seeds * int(label) + place: np.full(7, value) for place, value in enumerate(values)}
        for label, values in table.items()
    }
    long = pandas.DataFrame(table).melt()
    oracle = {
        adjust: scikit_posthocs.posthoc_ttest(long, "value", "variable", pool_sd=True, p_adjust=adjust)
        for adjust in (None, "holm")
    }
    for pair in compare_pairs(figures):
        assert pair.p == pytest.approx(oracle[None].loc[pair.first, pair.second], rel=1e-6)
        assert pair.p_adjusted == pytest.approx(oracle["holm"].loc[pair.first, pair.second], rel=1e-6)


@pytest.mark.parametrize("seeds", [3, 6])
def test_two_decoders_are_equivalent_where_the_two_one_sided_tests_of_statsmodels_say_so(seeds):
    from statsmodels.stats.weightstats import ttost_paired  # comes with scikit-posthocs

    rng = np.random.default_rng(seeds)
    for band in np.geomspace(0.02, 1.0, 12):
        one, other = rng.normal(0.0, 0.05, (2, seeds))
        p = ttost_paired(one, other, -band, band)[0]
        [pair] = compare_pairs(
            {
                label: {seed: np.full(5, value) for seed, value in enumerate(values)}
                for label, values in (("a", one), ("b", other))
            },
            band=band,
        )
        assert pair.equivalent == (p < 0.05)
