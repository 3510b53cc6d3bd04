"""Intervals of accuracies, and of the difference of two accuracies on the same images."""

from __future__ import annotations

import math

import numpy as np

# Of the normal distribution, for 95%.
_QUANTILE = 1.959964


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """95% confidence interval of an accuracy, for images there could be beside those that were scored.

    The model and the probe are fixed: other seeds or other training images move an accuracy further.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)

    Args:
        right: images whose class was found, in [0, total].
        total: images, at least 1.

    Source:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    share, spread = right / total, _QUANTILE**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """95% confidence interval of the first accuracy minus the second, both on the same images.

    Only images count that one got right and the other wrong; half an image is added to each of the four possible
    outcomes, so that few images, or none, give no interval of zero length.

    Example:
        >>> right, wrong = np.ones(98, bool), np.zeros(98, bool)
        >>> low, high = paired_interval(right, right)
        >>> round(low, 3), round(high, 3)
        (-0.02, 0.02)
        >>> paired_interval(right, wrong)[0] > 0.9
        True

    Args:
        first: whether each image's class was found, (images,) of bool.
        second: the same by the other way.

    Source:
        Agresti and Min 2005, "Simple improved confidence intervals for comparing matched proportions".
    """
    total = len(first) + 2
    gained = int(np.count_nonzero(first & ~second)) + 0.5
    lost = int(np.count_nonzero(~first & second)) + 0.5
    difference = (gained - lost) / total
    half = _QUANTILE * math.sqrt(max(0.0, gained + lost - total * difference**2)) / total
    return max(-1.0, difference - half), min(1.0, difference + half)
