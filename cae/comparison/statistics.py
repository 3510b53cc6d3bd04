"""Intervals over seeds and images, and differences between pairs of decoders."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from scipy import stats

from cae.comparison.record import Difference, Estimate

CONFIDENCE = 0.95
RESAMPLES = 2000
# Weights of so many images are held at a time, 16 MB.
_WEIGHTS_AT_ONCE = 2**22


def estimate(values: Sequence[float]) -> Estimate:
    """Mean over seeds with its 95% confidence interval by Student's t; no interval of a single value.

    The interval is for the mean of all seeds there could be: another mean over as many new seeds may lie outside.
    It assumes that figures of different seeds scatter normally.

    Example:
        >>> found = estimate([30.0, 31.0, 32.0])
        >>> found.mean, round(found.low, 3), round(found.high, 3)
        (31.0, 28.516, 33.484)

    Args:
        values: one figure for each seed.

    Raises:
        ValueError: there is none.

    Reference:
        Student 1908, "The probable error of a mean".
    """
    if not values:
        raise ValueError("`values` must have at least one value. Received: none.")
    array = np.asarray(values, np.float64)
    mean, numbers = float(array.mean()), tuple(array.tolist())
    if len(array) == 1:
        return Estimate(mean, None, None, numbers)
    if np.ptp(array) == 0.0:
        return Estimate(mean, mean, mean, numbers)  # scipy's interval has no ends then
    low, high = stats.ttest_1samp(array, 0.0).confidence_interval(CONFIDENCE)
    return Estimate(mean, float(low), float(high), numbers)


def welch_interval(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """95% confidence interval of the difference of two means over seeds that have nothing to do with each other.

    Scatter may differ between the two, and so may the number of seeds. It assumes, like `estimate`, that figures of
    different seeds scatter normally.

    Example:
        >>> low, high = welch_interval([30.0, 31.0, 32.0], [29.0, 29.5])
        >>> round(low, 3), round(high, 3)
        (-0.419, 3.919)

    Args:
        one: one figure for each seed, at least two.
        other: the same of what is subtracted.

    Reference:
        Welch 1947, "The generalization of 'Student's' problem when several different population variances are
        involved"; degrees of freedom by Satterthwaite 1946.
    """
    if np.ptp(one) == np.ptp(other) == 0.0:
        difference = float(np.mean(one) - np.mean(other))
        return difference, difference
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where one of the two does not scatter
        low, high = stats.ttest_ind(one, other, equal_var=False).confidence_interval(CONFIDENCE)
    return float(low), float(high)


def bootstrap_intervals(columns: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0) -> np.ndarray:
    """95% intervals of the means of columns over images, by the percentile bootstrap.

    Images are drawn with replacement as many times as there are images, and the means of all columns are taken of
    the same draws; the interval goes from the 2.5th to the 97.5th percentile of these means. It tells how the mean
    would change with other images like these, for the very models that were measured. Of few images (some 20) it is
    too narrow. Memory does not grow with images times resamples.

    Example:
        >>> low, high = bootstrap_intervals(np.random.default_rng(0).normal(1.0, 0.1, (400, 1)))[0]
        >>> bool(0.98 < low < 1.0 < high < 1.02)
        True

    Args:
        columns: (images, columns), at least one image.
        resamples: how many times the images are drawn.
        seed: of the draws.

    Returns:
        float64, (columns, 2): lower and upper ends.

    Reference:
        Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    columns = np.asarray(columns, np.float64)
    images, centre = len(columns), columns.mean(axis=0)
    # Single precision is enough for what is left, and twice as fast.
    around = (columns - centre).astype(np.float32)
    generator = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // images)
    means = []
    for first in range(0, resamples, at_once):
        draws = range(min(at_once, resamples - first))
        weights = np.empty((len(draws), images), np.float32)
        for draw in draws:
            chosen = generator.integers(0, images, images, dtype=np.uint32)
            weights[draw] = np.bincount(chosen, minlength=images)
        means.append(weights @ around / images)
    tail = 50.0 * (1.0 - CONFIDENCE)
    return centre[:, None] + np.percentile(np.concatenate(means).astype(np.float64), [tail, 100.0 - tail], axis=0).T


# Pairs whose images are held and drawn together.
_PAIRS_AT_ONCE = 64

# A contender's seeds to one figure for each image, (images,).
Figures = Mapping[int, np.ndarray]


def compare_pairs(figures: Mapping[str, Figures]) -> tuple[Difference, ...]:
    """Compare each contender with each that comes after it, on the same images and, where it can be, the same seeds.

    A pair's figures are first averaged over seeds, image by image: over those of `paired_seeds`, or each one's own.
    The interval over images is that of `bootstrap_intervals`. That over seeds is Student's t of the differences of
    means, seed by seed, of two paired seeds or more, and Welch's of the means of unpaired seeds where each has two or
    more; with fewer there is none. Zero must be outside of both for a pair to be told apart, and a single image tells
    nothing.

    Example:
        >>> noise = np.random.default_rng(0).normal(0.0, 0.1, (3, 50))
        >>> better = {seed: 30.0 + noise[seed] for seed in range(2)}
        >>> worse = {seed: 29.0 + noise[seed + 1] for seed in range(2)}
        >>> [pair] = compare_pairs({"a": better, "b": worse})
        >>> pair.first, pair.second, round(pair.mean), pair.is_distinguishable
        ('a', 'b', 1, True)

    Args:
        figures: each contender's label to its figures in one metric, the best contender first; of the same images in
            the same order everywhere.
    """
    pairs = list(itertools.combinations(figures, 2))
    means = _Means(figures)
    found = []
    for first in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[first : first + _PAIRS_AT_ONCE]
        columns = np.stack([means.of(one, other) - means.of(other, one) for one, other in some], axis=1)
        # The same draws for all pairs, however many there are.
        intervals = bootstrap_intervals(columns)
        found += [_difference(figures, pair, columns[:, number], intervals[number]) for number, pair in enumerate(some)]
    return tuple(found)


def paired_seeds(one: Collection[int], other: Collection[int]) -> list[int]:
    """Seeds by which two contenders are set against each other; none where each is averaged over all of its own.

    A single common seed is not worth the others: it pairs only those of whom one has no second seed.

    Example:
        >>> paired_seeds({0, 1, 2}, {1, 2, 3}), paired_seeds({0, 1}, {1, 2}), paired_seeds({0, 1}, {1})
        ([1, 2], [], [1])
    """
    common = sorted(set(one) & set(other))
    return common if len(common) > 1 or min(len(one), len(other)) == 1 else []


class _Means:
    """Figures of each image over seeds, averaged once for each set of seeds."""

    def __init__(self, figures: Mapping[str, Figures]) -> None:
        self._figures = figures
        self._found: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def of(self, label: str, other: str) -> np.ndarray:
        """Means over the seeds by which two contenders are paired, or over all of the first one's."""
        mine = self._figures[label]
        seeds = paired_seeds(mine, self._figures[other]) or sorted(mine)
        key = label, tuple(seeds)
        if key not in self._found:
            self._found[key] = np.asarray([mine[seed] for seed in seeds], np.float64).mean(axis=0)
        return self._found[key]


def _difference(
    figures: Mapping[str, Figures], pair: tuple[str, str], column: np.ndarray, interval: np.ndarray
) -> Difference:
    low, high = (float(end) for end in interval)
    over_seeds = _interval_over_seeds(figures[pair[0]], figures[pair[1]])
    excluded = _excludes_zero(low, high) and len(column) > 1 and (over_seeds is None or _excludes_zero(*over_seeds))
    seeds_low, seeds_high = over_seeds or (None, None)
    return Difference(*pair, float(column.mean()), low, high, seeds_low, seeds_high, excluded)


def _interval_over_seeds(one: Figures, other: Figures) -> tuple[float, float] | None:
    paired = paired_seeds(one, other)
    if len(paired) > 1:
        found = estimate([float(np.mean(one[seed] - other[seed], dtype=np.float64)) for seed in paired])
        return None if found.low is None or found.high is None else (found.low, found.high)
    if paired or min(len(one), len(other)) == 1:
        return None
    means = [[float(np.mean(values, dtype=np.float64)) for values in own.values()] for own in (one, other)]
    return welch_interval(*means)


def _excludes_zero(low: float, high: float) -> bool:
    return low > 0.0 or high < 0.0
