"""Sort contenders by the very figures that tell them apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cae.measures.catalogue import metric as find_metric

if TYPE_CHECKING:
    from cae.comparison.contenders import Group
    from cae.comparison.measuring import MeasuredRun


def sort_groups(
    groups: Sequence[Group], measured: Mapping[Path, MeasuredRun], metric: str
) -> tuple[list[Group], dict[str, dict[int, np.ndarray]]]:
    """Put the best contender first, by the mean over its seeds and all images of `Metric.compared`.

    Args:
        groups: the contenders' runs.
        measured: each run directory's path to its evaluation, with the metric image by image.
        metric: one of `cae.measures.catalogue`.

    Returns:
        The contenders in order, and in the same order each one's label to its seeds' figures, for `compare_pairs`.
    """
    chosen = find_metric(metric)

    def badness_of(group: Group) -> float:
        return float(np.mean([chosen.badness(measured[path].per_image[metric]).mean() for path in _paths(group)]))

    ordered = sorted(groups, key=badness_of)
    figures = {
        group.label: {
            run.seed: chosen.compared(measured[path].per_image[metric])
            for run, path in zip(group.runs, _paths(group), strict=True)
        }
        for group in ordered
    }
    return ordered, figures


def _paths(group: Group) -> list[Path]:
    return [run.directory.path for run in group.runs]
