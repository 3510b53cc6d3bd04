"""How well codes tell classes apart, beside pixels and principal components; also as a table for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.features.probes import (
    HELD_OUT,
    NEIGHBOURS,
    STRENGTHS,
    TOLERANCE,
    find_nearest,
    paired_interval,
    run_probe,
    vote,
    wilson_interval,
)
from cae.features.representations import represent

if TYPE_CHECKING:
    from cae.features.representations import Sample


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


_TITLES = {
    "codes": "codes",
    "codes_mean": "codes, mean over places",
    "pca": "PCA of pixels",
    "pixels": "pixels",
}


def format_features(features: Mapping[str, Any], split: str) -> str:
    """Lay out the accuracies with their intervals, and say how codes compare with PCA of as many values.

    Args:
        features: from results.json.
        split: that was measured.
    """
    if "note" in features:
        return f"codes: no probes: {features['note']}"
    lines = [
        f"classes told by nearest neighbours and a linear probe, fitted on {features['fitted_on']:,} training images,"
        f" scored on {features['scored_on']:,} {split} images"
    ]
    width = max(len(_TITLES[name]) for name in features["representations"])
    lines.append(f"{'':{width}}  {'values':>6}  {_column('5 neighbours')}  {_column('linear probe')}")
    for name, one in features["representations"].items():
        cells = [_column(_percent(one[way])) for way in ("knn", "linear_probe")]
        unfinished = "" if one["linear_probe"]["converged"] else "  (not converged)"
        lines.append(f"{_TITLES[name]:{width}}  {one['values']:>6,}  {cells[0]}  {cells[1]}{unfinished}")
    lines.append(_comparison(features["codes_minus"]["pca"]["linear_probe"]))
    return "\n".join(lines)


def picture_files(features: Mapping[str, Any]) -> list[str]:
    """The files of the pictures that were drawn.

    >>> picture_files({"pictures": {"neighbours": "neighbours.png", "traversal": "none: all codes are alike"}})
    ['neighbours.png']
    """
    return [name for name in features["pictures"].values() if not name.startswith("none:")]


def _comparison(difference: Mapping[str, Any]) -> str:
    low, high = difference["interval"]
    points = f"{100 * difference['difference']:+.1f} points, 95% interval {100 * low:+.1f} to {100 * high:+.1f}"
    verdict = "better than" if low > 0 else "worse than" if high < 0 else "cannot be told from"
    return f"linear probe: codes minus PCA {points} ({verdict} PCA)"


def _percent(found: Mapping[str, Any]) -> str:
    low, high = found["interval"]
    return f"{found['accuracy']:.1%} ({100 * low:.1f} to {100 * high:.1f})"


def _column(text: str) -> str:
    return f"{text:<21}"
