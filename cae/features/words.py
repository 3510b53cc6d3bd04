"""The quality of codes as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
