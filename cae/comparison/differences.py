"""Every pair of contenders, image by image and seed by seed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from cae.comparison.record import Difference
from cae.comparison.statistics import bootstrap_intervals, estimate

# Pairs whose images are held and drawn together.
_PAIRS_AT_ONCE = 64

# A contender's seeds to one figure for each image, (images,).
Figures = Mapping[int, np.ndarray]


def compare_pairs(figures: Mapping[str, Figures]) -> tuple[Difference, ...]:
    """Compare each contender with each that comes after it, on the same images and the seeds that both have.

    A pair's figures are first averaged over their common seeds, image by image; contenders without a common seed
    are averaged over their own. The interval over images is that of `bootstrap_intervals`, and from two common seeds
    on there is one over seeds: Student's t of the differences of means, seed by seed. Zero must be outside of both
    for a pair to be told apart, and a single image tells nothing.

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


class _Means:
    """Figures of each image over seeds, averaged once for each set of seeds."""

    def __init__(self, figures: Mapping[str, Figures]) -> None:
        self._figures = figures
        self._found: dict[tuple[str, tuple[int, ...]], np.ndarray] = {}

    def of(self, label: str, other: str) -> np.ndarray:
        """Means over the seeds that two contenders have in common, or over all of the first one's."""
        mine = self._figures[label]
        seeds = _common(mine, self._figures[other]) or sorted(mine)
        key = label, tuple(seeds)
        if key not in self._found:
            self._found[key] = np.asarray([mine[seed] for seed in seeds], np.float64).mean(axis=0)
        return self._found[key]


def _difference(
    figures: Mapping[str, Figures], pair: tuple[str, str], column: np.ndarray, interval: np.ndarray
) -> Difference:
    one, other = figures[pair[0]], figures[pair[1]]
    seeds = _common(one, other)
    low, high = (float(end) for end in interval)
    seeds_low = seeds_high = None
    if len(seeds) > 1:
        over_seeds = estimate([float(np.mean(one[seed] - other[seed], dtype=np.float64)) for seed in seeds])
        seeds_low, seeds_high = over_seeds.low, over_seeds.high
    excluded = _excludes_zero(low, high) and len(column) > 1
    if seeds_low is not None and seeds_high is not None:
        excluded = excluded and _excludes_zero(seeds_low, seeds_high)
    return Difference(*pair, float(column.mean()), low, high, seeds_low, seeds_high, excluded)


def _common(one: Figures, other: Figures) -> list[int]:
    return sorted(set(one) & set(other))


def _excludes_zero(low: float, high: float) -> bool:
    return low > 0.0 or high < 0.0
