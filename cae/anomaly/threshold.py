"""A threshold above which few normal images lie, with a guarantee that holds for any number of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cae.errors import UserError


@dataclass(frozen=True)
class Threshold:
    """A score above which an image counts as anomalous.

    Args:
        value: the score.
        false_positive_rate: the chance, at most, that a further normal image lies above it.
        images: how many normal images it was found on.
    """

    value: float
    false_positive_rate: float
    images: int


def calibrate(scores: np.ndarray, false_positive_rate: float) -> Threshold:
    """Find the threshold on normal images that were not trained on.

    It is the k-th smallest of their n scores, k = ceil((n + 1) (1 - rate)). A further image from the same source, in
    whatever order, is as likely to take any of the n + 1 ranks; so the chance that it lies above the k-th is at most
    `rate`, whatever the scores' distribution and however few images there are (split conformal prediction).

    Example:
        >>> calibrate(np.arange(1.0, 100.0), 0.05)
        Threshold(value=95.0, false_positive_rate=0.05, images=99)

    Args:
        scores: of normal images, (n,).
        false_positive_rate: in (0, 1).

    Raises:
        UserError: there are too few images for this rate.

    Source:
        Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", chapter 2; Laxhammar and Falkman
        2010, "Conformal prediction for distribution-independent anomaly detection", section III.
    """
    rate = Fraction(repr(false_positive_rate))  # as it was typed: 100 x 0.99 must not come to 99.00000000000001
    rank = math.ceil((len(scores) + 1) * (1 - rate))
    if rank > len(scores):
        raise UserError(
            f"A false positive rate of {false_positive_rate:g} needs at least {least_images(false_positive_rate):,}"
            f" normal images to calibrate on. Received: {len(scores):,}, which allow a rate of"
            f" {1 / (len(scores) + 1):.2g} or more."
        )
    return Threshold(float(np.sort(scores)[rank - 1]), false_positive_rate, len(scores))


def least_images(false_positive_rate: float) -> int:
    """How many normal images a rate needs at least.

    >>> least_images(0.01), least_images(0.3)
    (99, 3)
    """
    return math.ceil(1 / Fraction(repr(false_positive_rate))) - 1
