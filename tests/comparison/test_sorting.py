"""The order of contenders and the verdict on them rest on the same figures."""

import numpy as np
import pytest

from cae.comparison.contenders import group_runs
from cae.comparison.figures import sort_groups
from cae.comparison.statistics import compare_pairs
from cae.evaluation.files import Evaluation
from tests.comparison.runs import make_run

# Of four images and two seeds. `mixed` has the mean ratio 1 and is never near it; `even` is 0.9 everywhere.
RATIOS = {
    "resize": [[0.4, 1.6, 0.4, 1.6], [0.5, 1.5, 0.5, 1.5]],
    "subpixel": [[0.9, 0.9, 0.9, 0.9], [0.91, 0.89, 0.9, 0.9]],
}


def sort(figures, metric):
    runs = {
        (kind, seed): make_run(kind, seed, name=f"{kind}{seed}")
        for kind, own in figures.items()
        for seed in range(len(own))
    }
    measured = {
        run.directory.path: Evaluation({}, {metric: np.array(figures[kind][seed])}, np.zeros((2, 2)))
        for (kind, seed), run in runs.items()
    }
    return sort_groups(group_runs(list(runs.values())), measured, metric)


def test_a_ratio_is_compared_by_how_far_each_image_is_from_one():
    groups, figures = sort(RATIOS, "high_frequency_ratio")
    assert [group.label for group in groups] == ["subpixel", "resize nearest"]
    [pair] = compare_pairs(figures)
    # Means over seeds of |ratio - 1|: 0.1 and (0.6 + 0.5) / 2.
    assert (pair.first, pair.mean) == ("subpixel", pytest.approx(0.1 - 0.55))
    assert pair.images_high < 0.0
    # By the difference of raw ratios, 0.9 - 1, and of means' distances, 0.1 - 0, it would be the other way round.


@pytest.mark.parametrize("metric", ["psnr", "ssim", "ms_ssim", "mse", "mae"])
def test_other_metrics_are_compared_as_they_are(metric):
    values = {"resize": [[1.0, 2.0]], "subpixel": [[3.0, 4.0]], "max_unpool": [[2.0, 3.0]]}
    groups, figures = sort(values, metric)
    order = [group.label for group in groups]
    ascending = ["resize nearest", "max_unpool", "subpixel"]
    assert order == list(figures) == (ascending[::-1] if metric in ("psnr", "ssim", "ms_ssim") else ascending)
    assert figures["subpixel"][0].tolist() == [3.0, 4.0]
