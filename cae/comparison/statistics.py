"""Intervals: of a mean over seeds, and of a mean over images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cae.comparison.record import Estimate

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
    half = t_quantile(len(array) - 1) * float(array.std(ddof=1)) / math.sqrt(len(array))
    return Estimate(mean, mean - half, mean + half, numbers)


def t_quantile(degrees_of_freedom: int, confidence: float = CONFIDENCE) -> float:
    """The t within which Student's distribution lies with a probability of `confidence`, to either side of zero.

    With t = sqrt(nu) tan(theta) the probability is a finite sum for whole numbers nu, and halving finds theta: no
    statistics package is needed for seeds, which are counted.

    Example:
        >>> round(t_quantile(4), 6)
        2.776445

    Args:
        degrees_of_freedom: nu, a whole number of at least 1.
        confidence: in (0, 1).

    Reference:
        Abramowitz and Stegun 1964, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(100):
        middle = (low + high) / 2
        if _central_probability(middle, degrees_of_freedom) < confidence:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees_of_freedom) * math.tan(low)


def _central_probability(theta: float, nu: int) -> float:
    """P(|t| < sqrt(nu) tan(theta))."""
    sine, cosine = math.sin(theta), math.cos(theta)
    is_odd = nu % 2 == 1
    term = cosine if is_odd else 1.0
    total = 0.0
    for first in range(2 if is_odd else 1, nu, 2):
        # Odd: cos + 2/3 cos^3 + 2*4/(3*5) cos^5 + ...; even: 1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ...
        total += term
        term *= cosine**2 * first / (first + 1)
    return 2.0 / math.pi * (theta + sine * total) if is_odd else sine * total


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
