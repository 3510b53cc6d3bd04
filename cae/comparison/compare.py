"""From trained runs to everything that a comparison of them has to say."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import cae
from cae.comparison.contenders import Group, Run, group_runs
from cae.comparison.differences import compare_pairs
from cae.comparison.exhibits import make_exhibits
from cae.comparison.figures import make_contender
from cae.comparison.measuring import LoadSplits, MeasuredRun, Measuring
from cae.comparison.record import Comparison, Contender, Exhibits, badness
from cae.comparison.sizes import Sizes
from cae.comparison.terms import check_terms
from cae.config import ConfigError, load_config
from cae.evaluation.metrics import metric_names
from cae.runs import RunDirectory
from cae.runs.environment import describe_environment


def compare_runs(
    directories: Sequence[RunDirectory],
    *,
    title: str,
    split: str,
    metric: str,
    load_splits: LoadSplits,
    overrides: Sequence[str] = (),
    again: bool = False,
    tell: Callable[[str], None],
) -> tuple[Comparison, Exhibits]:
    """Measure runs on the same images, and compare those that differ in more than their seeds.

    Each run's own evaluation is written into its folder; one that is there already, of the very same weights, images
    and program, is read back. Models are in memory one at a time.

    Args:
        directories: of trained runs, at least one.
        title: what they are called together.
        split: `test`, `validation` or `train`.
        metric: one of `cae.evaluation.metrics.metric_names`, by which contenders are sorted and told apart.
        load_splits: how to find the images of a data section, such as `cae.data.load.load_splits`.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        again: measure runs, too, that have been measured already.
        tell: shows a line to the user.

    Raises:
        ConfigError: images of this size have no such metric.
        UserError: runs have other images, or one seed twice, or cannot be read.
    """
    runs = [read_run(directory, overrides) for directory in directories]
    groups = group_runs(runs)
    measuring = Measuring(runs, split, load_splits, overrides)
    images = measuring.images.images
    names = metric_names(images.image_shape)
    if metric not in names:
        raise ConfigError(f"--metric: must be one of {', '.join(names)}; received {metric}.")
    measured = measuring.measure(sorted({"psnr", metric}), again=again, tell=tell)
    contenders = [make_contender(group, measured, names) for group in groups]
    contenders.sort(key=lambda contender: badness(metric, contender.metrics[metric].mean))
    by_label = {group.label: group for group in groups}
    groups = [by_label[contender.label] for contender in contenders]
    comparison = Comparison(
        title=title,
        split=split,
        num_images=len(images),
        image_shape=images.image_shape,
        metric=metric,
        contenders=tuple(contenders),
        differences=compare_pairs(_figures(groups, measured, metric)),
        baselines=_baselines(measured[groups[0].runs[0].directory.path], names),
        terms=check_terms(groups, {contender.label: _sizes(contender) for contender in contenders}),
        made=_made(),
    )
    tell("drawing the same images under every decoder")
    return comparison, make_exhibits(groups, measured, measuring)


def read_run(directory: RunDirectory, overrides: Sequence[str] = ()) -> Run:
    """Read what a run directory tells of a run.

    Args:
        directory: with config.yaml; summary.json and metrics.jsonl may be missing where a run was killed.
        overrides: `data.KEY=VALUE`.

    Raises:
        UserError: a file cannot be read.
    """
    summary = directory.read_summary() if directory.summary.exists() else {}
    return Run(directory, load_config(directory.config, overrides), summary, directory.read_metrics())


def _figures(
    groups: Sequence[Group], measured: Mapping[Path, MeasuredRun], metric: str
) -> dict[str, dict[int, np.ndarray]]:
    return {
        group.label: {run.seed: measured[run.directory.path].per_image[metric] for run in group.runs}
        for group in groups
    }


def _sizes(contender: Contender) -> Sizes:
    code = contender.code
    return Sizes(
        parameters=contender.parameters,
        macs=contender.macs_per_image,
        code_bits=int(code["values"] * code["bits_per_value"]),
        switch_bits=int(code["switch_bits"]),
    )


def _baselines(best: MeasuredRun, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over images, and the number of values that each baseline's code has."""
    return {name: {key: found[key] for key in (*names, "values")} for name, found in best.results["baselines"].items()}


def _made() -> dict[str, str]:
    environment: dict[str, Any] = describe_environment()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "program": f"cae {cae.__version__}",
        "revision": environment["git_revision"] or "not a checkout",
        "python": environment["python"],
        **environment["packages"],
        "platform": environment["platform"],
        "cpu": f"{environment['cpu']}, {environment['cores']} cores",
        "gpus": ", ".join(environment["gpus"]) or "none",
    }
