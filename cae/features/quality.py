"""Probes on labels: a linear classifier and nearest neighbours, with intervals of their accuracies."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from cae.features.representations import represent
from cae.messages import align

if TYPE_CHECKING:
    from cae.features.representations import Sample


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
    interval = stats.binomtest(right, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


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


NEIGHBOURS = 5


def find_nearest(fitted: np.ndarray, asked: np.ndarray, number: int) -> np.ndarray:
    """Find the rows of `fitted` with the smallest Euclidean distance, the nearest first; exact, not approximate.

    Example:
        >>> fitted = np.array([[0.0], [2.0], [5.0]], np.float32)
        >>> find_nearest(fitted, np.array([[4.0], [0.5]], np.float32), 2).tolist()
        [[2, 1], [0, 1]]

    Args:
        fitted: (images, values).
        asked: (images, values).
        number: how many of each; no more are given than `fitted` has.

    Returns:
        Positions in `fitted`, (images, number).
    """
    search = NearestNeighbors(n_neighbors=min(number, len(fitted)), algorithm="brute").fit(fitted)
    positions: np.ndarray = search.kneighbors(asked, return_distance=False)
    return positions


def vote(classes: np.ndarray) -> np.ndarray:
    """The class that most neighbours have; of several with as many votes, that of the nearest neighbour.

    Example:
        >>> vote(np.array([[4, 7, 7, 9, 4], [1, 2, 2, 3, 4]])).tolist()
        [4, 2]

    Args:
        classes: of each image's neighbours, the nearest first, (images, neighbours).

    Returns:
        (images,).
    """
    votes = (classes[:, :, np.newaxis] == classes[:, np.newaxis, :]).sum(axis=2)  # for each neighbour's class
    winner = votes.argmax(axis=1)  # the first of equals
    return classes[np.arange(len(classes)), winner]


# Inverse strengths of the L2 penalty that are tried.
STRENGTHS = (1e-5, 1e-4, 0.001, 0.01, 0.1, 1.0, 10.0)
_WITHOUT_CHOICE = 0.1
# Every fifth image is held out to choose between them.
HELD_OUT = 5
# The solver stops when no derivative of the mean loss is above; a tenth of it moved no accuracy by more than 0.0005.
TOLERANCE = 1e-3
_MOST_ITERATIONS, _LEAST_ITERATIONS = 200, 20
# images x values x classes x iterations of one fit: about five seconds.
_MOST_WORK = 2**34


@dataclass(frozen=True)
class Probe:
    """A fitted probe's answers.

    Args:
        predicted: class of each asked image, (images,).
        strength: the `C` that was chosen.
        iterations: that the last fit took.
        converged: whether these were enough.
    """

    predicted: np.ndarray
    strength: float
    iterations: int
    converged: bool


def run_probe(fitted: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> Probe:
    """Fit multinomial logistic regression with an L2 penalty on standardised values, and ask it for classes.

    The penalty's strength is chosen on every fifth of the fitted images, held out: from the strongest of `STRENGTHS`
    on, weaker ones are tried until accuracy falls, and the best is taken (the strongest of equals). Then all are
    fitted. The same values always give the same answer. Time is bounded by the number of iterations.

    Args:
        fitted: float32, (images, values).
        labels: their classes, at least two different ones.
        asked: float32, (images, values).
    """
    held_out = np.arange(len(fitted)) % HELD_OUT == HELD_OUT - 1
    strength = _WITHOUT_CHOICE
    if held_out.any() and len(np.unique(labels[~held_out])) > 1:
        strength = _choose_strength(fitted, labels, held_out)
    known, unknown = standardise(fitted, asked)
    model = _fit(known, labels, strength)
    iterations = int(model.n_iter_.max())
    return Probe(model.predict(unknown), strength, iterations, iterations < model.max_iter)


def standardise(fitted: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring each value to mean 0 and standard deviation 1 over the fitted images, and others by the same measure.

    A value that never changes becomes 0 in both: it says nothing.

    Example:
        >>> standardise(np.array([[1.0, 7.0], [3.0, 7.0]]), np.array([[5.0, 8.0]]))[1].tolist()
        [[3.0, 0.0]]
    """
    mean, deviation = fitted.mean(axis=0, dtype=np.float64), fitted.std(axis=0, dtype=np.float64)
    # Below, it is the rounding of a value that is always the same.
    varies = deviation > 1e-6 * np.abs(mean)
    factor = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0)
    return ((fitted - mean) * factor).astype(np.float32), ((other - mean) * factor).astype(np.float32)


def most_iterations(images: int, values: int, classes: int) -> int:
    """How many iterations a fit may take.

    >>> most_iterations(10_000, 64, 10), most_iterations(10_000, 3072, 100)
    (200, 20)
    """
    return int(np.clip(_MOST_WORK // (images * values * classes), _LEAST_ITERATIONS, _MOST_ITERATIONS))


def _choose_strength(values: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> float:
    known, unknown = standardise(values[~held_out], values[held_out])
    chosen, best = STRENGTHS[0], -1.0
    for strength in STRENGTHS:
        accuracy = _fit(known, labels[~held_out], strength).score(unknown, labels[held_out])
        if accuracy < best:
            break  # weaker penalties fit longer and, from here on, worse
        if accuracy > best:
            chosen, best = strength, accuracy
    return chosen


def _fit(values: np.ndarray, labels: np.ndarray, strength: float) -> LogisticRegression:
    bound = most_iterations(len(values), values.shape[1], len(np.unique(labels)))
    model = LogisticRegression(C=strength, tol=TOLERANCE, max_iter=bound)
    # One thread: such narrow products gain little from more, and lose much where other work wants the processor.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the results
        return model.fit(values, labels)


# What codes are compared with.
_REFERENCES = ("pca", "pixels")


def measure_quality(fitted: Sample, scored: Sample, tell: Callable[[str], None]) -> dict[str, Any]:
    """Fit nearest neighbours and a linear probe on labelled images, and score them on others.

    Args:
        fitted: training images with labels of at least two classes.
        scored: others with labels.
        tell: shows what is being done.

    Returns:
        `classes`, `most_frequent_class` (the accuracy of always naming it), `settings`, for each of `representations`
        (see `cae.features.representations.represent`) its number of `values` and under `knn` and `linear_probe` the
        `accuracy` with its 95% `interval`, and under `codes_minus` the paired `difference` to PCA and pixels.
    """
    labels, truth = _labels(fitted), _labels(scored)
    representations: dict[str, Any] = {}
    hits: dict[tuple[str, str], np.ndarray] = {}
    for one in represent(fitted, scored):
        tell(f"codes: nearest neighbours and a linear probe on {one.name} ({one.fitted.shape[1]:,} values)")
        nearest = find_nearest(one.fitted, one.scored, NEIGHBOURS)
        probe = run_probe(one.fitted, labels, one.scored)
        hits[one.name, "knn"] = vote(labels[nearest]) == truth
        hits[one.name, "linear_probe"] = probe.predicted == truth
        effort = {"C": probe.strength, "iterations": probe.iterations, "converged": probe.converged}
        representations[one.name] = {
            "values": one.fitted.shape[1],
            **one.notes,
            "knn": _accuracy(hits[one.name, "knn"]),
            "linear_probe": _accuracy(hits[one.name, "linear_probe"]) | effort,
        }
    return {
        "classes": len(np.unique(labels)),
        "most_frequent_class": _share_of_most_frequent(labels, truth),
        "settings": _settings(),
        "representations": representations,
        "codes_minus": {name: _differences(hits, name) for name in _REFERENCES},
    }


def _labels(sample: Sample) -> np.ndarray:
    assert sample.labels is not None
    return sample.labels


def _accuracy(hits: np.ndarray) -> dict[str, Any]:
    interval = wilson_interval(int(np.count_nonzero(hits)), len(hits))
    return {"accuracy": float(np.mean(hits)), "interval": list(interval)}


def _differences(hits: Mapping[tuple[str, str], np.ndarray], reference: str) -> dict[str, Any]:
    found = {}
    for way in ("knn", "linear_probe"):
        mine, other = hits["codes", way], hits[reference, way]
        found[way] = {"difference": float(mine.mean() - other.mean()), "interval": list(paired_interval(mine, other))}
    return found


def _share_of_most_frequent(labels: np.ndarray, truth: np.ndarray) -> float:
    classes, counts = np.unique(labels, return_counts=True)
    return float(np.mean(truth == classes[np.argmax(counts)]))


def _settings() -> dict[str, Any]:
    return {
        "knn": {"k": NEIGHBOURS, "distance": "euclidean, between values as they are", "vote": "majority; ties nearest"},
        "linear_probe": {
            "model": "multinomial logistic regression with an L2 penalty, on standardised values",
            "C": list(STRENGTHS),
            "C_chosen_on": f"every {HELD_OUT}th fitted image, held out; from the first on, until accuracy falls",
            "solver": f"L-BFGS to a gradient of {TOLERANCE:g}",
        },
        "interval": "95%, over scored images (Wilson; of differences Agresti and Min)",
        "inputs": "clean images; codes of maps flattened, codes_mean pooled over places",
    }


_TITLES = {"codes": "codes", "codes_mean": "codes, mean over places", "pca": "PCA of pixels", "pixels": "pixels"}


def format_features(features: Mapping[str, Any], split: str) -> str:
    """Lay out the accuracies with their intervals, and say how codes compare with PCA of as many values.

    Args:
        features: from results.json.
        split: that was measured.
    """
    if "note" in features:
        return f"codes: no probes: {features['note']}"
    rows = [
        (
            _TITLES[name],
            f"{one['values']:,}",
            *(_percent(one[way]) for way in ("knn", "linear_probe")),
            "" if one["linear_probe"]["converged"] else "(not converged)",
        )
        for name, one in features["representations"].items()
    ]
    return "\n".join(
        [
            f"classes told by nearest neighbours and a linear probe, fitted on {features['fitted_on']:,} training"
            f" images, scored on {features['scored_on']:,} {split} images",
            *align([("", "values", "5 neighbours", "linear probe", ""), *rows], numbers=[1]),
            _comparison(features["codes_minus"]["pca"]["linear_probe"]),
        ]
    )


def picture_files(features: Mapping[str, Any]) -> list[str]:
    """The files of the pictures that were drawn.

    >>> picture_files({"pictures": {"neighbours": "neighbours.png", "traversal": "none: all codes are alike"}})
    ['neighbours.png']
    """
    return [name for name in features["pictures"].values() if not name.startswith("none:")]


def _comparison(difference: Mapping[str, Any]) -> str:
    low, high = difference["interval"]
    points = f"{100 * difference['difference']:+.1f} points, 95% interval {100 * low:+.1f} to {100 * high:+.1f}"
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "not significantly different from"
    return f"linear probe: codes minus PCA {points} ({verdict} PCA)"


def _percent(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['accuracy']:.1%} ({100 * low:.1f} to {100 * high:.1f})"
