"""Every pair of contenders, image by image and seed by seed."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping

import numpy as np

from cae.comparison.record import Difference
from cae.comparison.statistics import bootstrap_intervals, estimate, welch_interval

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
