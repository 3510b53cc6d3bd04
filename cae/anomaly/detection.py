"""Which images are unlike the training images: a threshold that holds a false-positive rate."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from cae.errors import UserError
from cae.files import printable


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


@dataclass(frozen=True)
class Detection:
    """How well one kind of anomaly was told from normal images.

    Args:
        images: how many anomalous ones there were.
        auroc: the chance that an anomalous image has a higher score than a normal one, ties counting half.
        average_precision: the mean, over anomalous images, of the share of anomalous ones among all with a score at
            least as high; by chance it is their share in all.
    """

    images: int
    auroc: float
    average_precision: float


def measure_detection(
    scores: np.ndarray, classes: Sequence[str], normal: Collection[str]
) -> tuple[Detection, dict[str, Detection]]:
    """Measure the scores of all anomalous images against normal ones, and those of each other class by itself.

    Example:
        >>> overall, each = measure_detection(np.array([0.1, 0.3, 0.2, 0.9]), ["a", "a", "b", "c"], {"a"})
        >>> overall.auroc, each["b"].auroc, each["c"].auroc
        (0.75, 0.5, 1.0)

    Args:
        scores: of the images, (n,).
        classes: of the images.
        normal: those that are normal.

    Returns:
        Of all anomalous images together, and of each class that is not normal, in order of their names.

    Raises:
        UserError: a normal class does not exist, or there are only normal or only anomalous images.
    """
    check_normal(classes, normal)
    found = np.asarray(classes, np.str_)
    is_normal = np.isin(found, list(normal))
    others = sorted(set(found[~is_normal]), key=_by_number)
    each = {str(name): _measure(scores, is_normal, found == name) for name in others}
    return _measure(scores, is_normal, ~is_normal), each


def check_normal(classes: Collection[str], normal: Collection[str]) -> None:
    """Refuse classes that leave nothing to tell apart.

    Args:
        classes: of the images.
        normal: those that are normal.

    Raises:
        UserError: a normal class does not exist, or every image is normal.
    """
    shown = printable(", ".join(sorted(set(classes))))
    if missing := sorted(set(normal) - set(classes)):
        raise UserError(
            f"Normal classes must be classes of the images: {shown}. Received: {printable(', '.join(missing))}."
        )
    if set(classes) <= set(normal):
        raise UserError(f"There must be images that are not normal to measure detection. Received classes: {shown}.")


def _measure(scores: np.ndarray, is_normal: np.ndarray, is_anomalous: np.ndarray) -> Detection:
    from sklearn.metrics import average_precision_score, roc_auc_score

    used = is_normal | is_anomalous
    truth, found = is_anomalous[used], scores[used]
    return Detection(
        int(is_anomalous.sum()),
        float(roc_auc_score(truth, found)),
        float(average_precision_score(truth, found)),
    )


def _by_number(name: str) -> tuple[int, str]:
    """Labels that are numbers in their order, names behind them in theirs."""
    return (int(name), "") if name.isascii() and name.isdigit() else (2**63, name)
