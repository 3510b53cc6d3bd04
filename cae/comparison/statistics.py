"""Intervals over seeds and images, and what can be said of each pair of decoders."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special, stats

from cae.comparison.record import Estimate, Pair, Verdict

CONFIDENCE = 0.95
RESAMPLES = 2000
# Weights of this many images are held at a time, 16 MB.
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
    half = float(special.stdtrit(len(array) - 1, (1 + CONFIDENCE) / 2) * array.std(ddof=1) / math.sqrt(len(array)))
    return Estimate(mean, mean - half, mean + half, numbers)


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
# More seeds than that are not proposed.
_MOST_SEEDS = 200
# Of deciding a pair with the proposed number of seeds.
_POWER = 0.8

# A contender's seeds to one figure for each image, (images,).
Figures = Mapping[int, np.ndarray]


def compare_pairs(
    figures: Mapping[str, Figures],
    *,
    band: float | None = None,
    less_is_better: bool = False,
    resamples: int = RESAMPLES,
) -> tuple[Pair, ...]:
    """Compare each contender with each that comes after it, on the same images and, where it can be, the same seeds.

    A pair's figures are first averaged over seeds, image by image: over those of `paired_seeds`, or each one's own.

    The test is Student's t of the mean difference. Its variance is that of another training plus that of other images.
    For the first, all contenders scatter together (see `Scatter`), but never less than the pair's own seeds do.
    p-values are adjusted for the number of pairs by Holm's method, so that at most one report in twenty makes a false
    claim. A pair whose difference lies within the band by two one-sided tests, adjusted likewise, is equivalent. A pair
    of which one has a single seed is undecided, and so is any on a single image.

    Example:
        >>> noise = np.random.default_rng(0).normal(0.0, 0.1, (3, 50))
        >>> better = {seed: 30.0 + noise[seed] for seed in range(2)}
        >>> worse = {seed: 29.0 + noise[seed + 1] for seed in range(2)}
        >>> [pair] = compare_pairs({"a": better, "b": worse})
        >>> pair.first, pair.second, round(pair.mean), pair.verdict
        ('a', 'b', 1, 'better')

    Args:
        figures: each contender's label to its figures in one metric, the best contender first; of the same images in
            the same order everywhere.
        band: differences smaller than that do not matter, in the metric's unit; None where no band is known, so that
            nothing is called equivalent.
        less_is_better: whether smaller figures are better.
        resamples: of images, for the bootstrap intervals; nothing else depends on them.

    Reference:
        Holm 1979, "A simple sequentially rejective multiple test procedure"; Schuirmann 1987, "A comparison of the two
        one-sided tests procedure and the power approach".
    """
    pairs = list(itertools.combinations(figures, 2))
    means, scatter = _Means(figures), Scatter.of(figures)
    tests = []
    for first in range(0, len(pairs), _PAIRS_AT_ONCE):
        some = pairs[first : first + _PAIRS_AT_ONCE]
        columns = np.stack([means.of(one, other) - means.of(other, one) for one, other in some], axis=1)
        # The same draws for all pairs, however many there are.
        intervals = bootstrap_intervals(columns, resamples=resamples)
        tests += [
            _Test.of(figures, pair, columns[:, number], intervals[number], scatter) for number, pair in enumerate(some)
        ]
    p_adjusted = holm([test.p for test in tests])
    p_equivalent = holm([test.p_outside(band) for test in tests])
    return tuple(
        _pair(test, len(tests), p, p_outside, band, figures, less_is_better)
        for test, p, p_outside in zip(tests, p_adjusted, p_equivalent, strict=True)
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number: at most 5% of families have any true null hypothesis below 0.05.

    Example:
        >>> holm([0.01, 0.04, None, 0.03])
        [0.04, 0.09, None, 0.09]

    Args:
        p_values: None where nothing could be tested; it counts all the same.
    """
    adjusted: list[float | None] = [None] * len(p_values)
    least = 0.0
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    for rank, (p, place) in enumerate(known):
        adjusted[place] = least = max(least, min(1.0, p * (len(p_values) - rank)))
    return adjusted


def interquartile_mean(figures: Figures) -> float:
    """Mean of the middle half of the figures of all seeds and images: a few extreme ones do not move it.

    >>> interquartile_mean({0: np.array([1.0, 2.0, 3.0, 100.0])})
    2.5

    Reference:
        Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
    """
    return float(stats.trim_mean(np.concatenate(list(figures.values())).astype(np.float64), 0.25))


def probability_of_more(one: Figures, other: Figures) -> float:
    """Probability that a run of one has a larger figure than a run of the other on the same image; ties count half.

    >>> probability_of_more({0: np.array([1.0, 3.0])}, {0: np.array([1.0, 2.0]), 1: np.array([2.0, 2.0])})
    0.625
    """
    return float(np.mean([(1 + np.sign(a - b)) / 2 for a in one.values() for b in other.values()]))


def paired_seeds(one: Collection[int], other: Collection[int]) -> list[int]:
    """Seeds by which two contenders are set against each other; none where each is averaged over all of its own.

    A single common seed is not worth the others: it pairs only those of whom one has no second seed.

    Example:
        >>> paired_seeds({0, 1, 2}, {1, 2, 3}), paired_seeds({0, 1}, {1, 2}), paired_seeds({0, 1}, {1})
        ([1, 2], [], [1])
    """
    common = sorted(set(one) & set(other))
    return common if len(common) > 1 or min(len(one), len(other)) == 1 else []


@dataclass(frozen=True)
class Scatter:
    """How much means of single trainings scatter, by all contenders of two seeds or more together.

    Args:
        variance: of one training's mean figure; without what seeds have in common where all have the same seeds.
        freedom: degrees of freedom of that variance; 0 where it is not known.
    """

    variance: float
    freedom: int

    @classmethod
    def of(cls, figures: Mapping[str, Figures]) -> Scatter:
        """Pool the contenders' scatter."""
        several = {label: own for label, own in figures.items() if len(own) > 1}
        if not several:
            return cls(0.0, 0)
        means = [np.array([np.mean(own[seed], dtype=np.float64) for seed in sorted(own)]) for own in several.values()]
        residuals = [values - values.mean() for values in means]
        freedom = sum(len(values) - 1 for values in means)
        if len({frozenset(own) for own in several.values()}) == 1 and len(several) > 1:
            common = np.mean(residuals, axis=0)
            residuals = [values - common for values in residuals]
            freedom -= len(common) - 1
        return cls(float(sum(np.square(values).sum() for values in residuals) / freedom), freedom)


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


@dataclass(frozen=True)
class _Test:
    """What a pair's test rests on.

    Args:
        labels: of the two.
        mean: difference over seeds and images.
        images: 95% interval over images.
        seeds: 95% interval over seeds; None where one of the two has a single seed.
        of_seeds: variance of the difference of one training each.
        num_seeds: by which that is divided: what both have as many of, or the harmonic mean of both numbers.
        of_images: variance of the mean over images.
        freedom: degrees of freedom; 0 where nothing can be tested.
    """

    labels: tuple[str, str]
    mean: float
    images: tuple[float, float]
    seeds: tuple[float, float] | None
    of_seeds: float
    num_seeds: float
    of_images: float
    freedom: int

    @classmethod
    def of(
        cls,
        figures: Mapping[str, Figures],
        labels: tuple[str, str],
        column: np.ndarray,
        interval: np.ndarray,
        scatter: Scatter,
    ) -> _Test:
        one, other = (figures[label] for label in labels)
        paired = paired_seeds(one, other)
        means = [
            {seed: float(np.mean(values, dtype=np.float64)) for seed, values in own.items()} for own in (one, other)
        ]
        seeds, own_variance = None, 0.0
        num_seeds = 2 / (1 / len(one) + 1 / len(other))
        if len(paired) > 1:
            differences = [means[0][seed] - means[1][seed] for seed in paired]
            found = estimate(differences)
            num_seeds, own_variance = len(paired), float(np.var(differences, ddof=1))
            seeds = None if found.low is None or found.high is None else (found.low, found.high)
        elif not paired and min(len(one), len(other)) > 1:
            values = [list(own.values()) for own in means]
            own_variance = num_seeds * sum(float(np.var(own, ddof=1)) / len(own) for own in values)
            seeds = welch_interval(*values)
        is_tested = seeds is not None and len(column) > 1
        return cls(
            labels,
            float(column.mean()),
            (float(interval[0]), float(interval[1])),
            seeds,
            max(own_variance, 2 * scatter.variance),
            num_seeds,
            float(np.var(column, ddof=1)) / len(column) if is_tested else 0.0,
            scatter.freedom if is_tested else 0,
        )

    def error(self, num_seeds: Any = None) -> Any:
        """Standard error of the mean difference, with as many seeds as there are or another number of them."""
        return np.sqrt(self.of_seeds / (self.num_seeds if num_seeds is None else num_seeds) + self.of_images)

    def _tail(self, distance: float) -> float:
        """Probability that chance alone goes that far, or farther."""
        error = float(self.error())
        t = distance / error if error else math.copysign(math.inf, distance) if distance else 0.0
        return float(special.stdtr(self.freedom, -t))

    @property
    def p(self) -> float | None:
        """Of no difference."""
        return 2 * self._tail(abs(self.mean)) if self.freedom else None

    def p_outside(self, band: float | None) -> float | None:
        """Of a difference of the band or more."""
        return self._tail(band - abs(self.mean)) if self.freedom and band else None

    def interval(self, num_pairs: int) -> tuple[float, float] | None:
        """95% confidence interval that holds for all pairs together."""
        if not self.freedom:
            return None
        half = float(special.stdtrit(self.freedom, 1 - (1 - CONFIDENCE) / 2 / num_pairs) * self.error())
        return self.mean - half, self.mean + half

    def seeds_needed(self, num_pairs: int, band: float | None) -> int | None:
        """Further seeds after which the pair is decided with a probability of 80% if its figures stay what they are."""
        if not self.freedom:
            return None
        seeds = np.arange(math.ceil(self.num_seeds) + 1, _MOST_SEEDS + 1)
        freedom = self.freedom / (self.num_seeds - 1) * (seeds - 1)
        differs, equivalent = _quantiles(tuple(freedom), num_pairs)
        error = self.error(seeds)
        decided = abs(self.mean) > differs * error
        if band:
            decided |= band - abs(self.mean) > equivalent * error
        return int(seeds[np.argmax(decided)] - math.ceil(self.num_seeds)) if decided.any() else None


@lru_cache(maxsize=8)
def _quantiles(freedom: tuple[float, ...], num_pairs: int) -> tuple[np.ndarray, np.ndarray]:
    """How many standard errors it takes, with the power that is wanted, to find a difference and equivalence."""
    degrees, alpha = np.array(freedom), (1 - CONFIDENCE) / num_pairs
    reserve = special.stdtrit(degrees, _POWER)
    return special.stdtrit(degrees, 1 - alpha / 2) + reserve, special.stdtrit(degrees, 1 - alpha) + reserve


def _pair(
    test: _Test,
    num_pairs: int,
    p_adjusted: float | None,
    p_equivalent: float | None,
    band: float | None,
    figures: Mapping[str, Figures],
    less_is_better: bool,
) -> Pair:
    alpha = 1 - CONFIDENCE
    is_equivalent = p_equivalent is not None and p_equivalent < alpha
    # By other seeds than those that both have, the contenders' order may be another.
    differs = p_adjusted is not None and p_adjusted < alpha and (test.mean < 0) == less_is_better
    verdict: Verdict = "equivalent" if is_equivalent else "better" if differs else "undecided"
    low, high = test.interval(num_pairs) or (None, None)
    seeds_low, seeds_high = test.seeds or (None, None)
    more = probability_of_more(*(figures[label] for label in test.labels))
    return Pair(
        *test.labels,
        mean=test.mean,
        low=low,
        high=high,
        images_low=test.images[0],
        images_high=test.images[1],
        seeds_low=seeds_low,
        seeds_high=seeds_high,
        p=test.p,
        p_adjusted=p_adjusted,
        equivalent=is_equivalent,
        verdict=verdict,
        probability=1 - more if less_is_better else more,
        seeds_needed=test.seeds_needed(num_pairs, band) if verdict == "undecided" else None,
    )
