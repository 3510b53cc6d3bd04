"""Compare trained runs: from run directories to one record of results."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cae.comparison.arms import divide_budgets, make_budgets, make_tuning, make_widths, read_tuning, with_arms
from cae.comparison.contenders import RunRecord, group_runs, with_times_that_compare
from cae.comparison.fairness import check_terms
from cae.comparison.fairness_report import Sizes, listed_runs
from cae.comparison.figures import make_budget, make_contender, sort_groups
from cae.comparison.measuring import LoadSplits, Measuring, make_exhibits
from cae.comparison.protocol import with_protocol
from cae.comparison.record import Answer, Comparison, Contender, Exhibits, Floor, Pair, RateCurve, Verdict
from cae.comparison.statistics import compare_pairs
from cae.config import ConfigError, load_config
from cae.config.registration import how_to_add
from cae.data.pipeline import user_errors
from cae.errors import from_json
from cae.evaluation.evaluation_set import EvaluationSet
from cae.evaluation.files import Evaluation
from cae.evaluation.rate_curves import measure_rate_curves
from cae.measures.catalogue import all_metrics, is_metric, metrics_of
from cae.measures.catalogue import metric as find_metric
from cae.messages import counting
from cae.runs import RunDirectory
from cae.runs.read_back import describe_environment
from cae.version import __version__


def compare_runs(
    directories: Sequence[RunDirectory],
    *,
    title: str,
    split: str,
    metric: str,
    band: float | None = None,
    load_splits: LoadSplits,
    overrides: Sequence[str] = (),
    again: bool = False,
    left_out: Sequence[str] = (),
    tell: Callable[[str], None],
) -> tuple[Comparison, Exhibits]:
    """Measure runs on the same images, and compare those that differ in more than their seeds.

    Each run's own evaluation is written into its folder; one that is there already, of the very same weights, images
    and program, is read back. Models are in memory one at a time.

    Args:
        directories: of trained runs, at least one.
        title: what they are called together.
        split: `test`, `validation` or `train`.
        metric: of `cae.measures.catalogue`, by which contenders are sorted and compared;
            see `Metric.compared`.
        band: differences that are smaller do not matter, in the metric's unit; None for `Metric.band`.
        load_splits: how to find the images of a data section, such as `cae.data.load.load_splits`.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        again: measure runs, too, that have been measured already.
        left_out: a sentence for each run that belongs to these but cannot be measured; the comparison's warnings
            begin with them.
        tell: shows a line to the user.

    Raises:
        ConfigError: images of this size have no such metric.
        UserError: runs have other images, or one seed twice, or cannot be read.
    """
    runs, share = with_times_that_compare([read_run(directory, overrides) for directory in directories])
    measuring = Measuring(runs, split, load_splits, overrides)
    numbers = measuring.number_training_images(tell)
    runs = [replace(run, training_images=numbers[run.directory.path]) for run in runs]
    tuned = read_tuning(runs)
    derived = sorted({key for tuning in tuned.values() for key in tuning.chosen})
    compared, others = divide_budgets(runs, derived)
    groups = group_runs(compared, derived)
    images = measuring.images.images
    names = check_metric(metric, images.image_shape)
    with counting(len(runs) + 2) as part_done:
        shown = {group.runs[0].directory.path for group in groups}
        measured = measuring.measure(sorted({"psnr", metric}), shown, again=again, tell=tell, run_done=part_done)
        codecs = _codecs(measuring.images, tell)
        part_done()
        groups, figures = sort_groups(groups, measured, metric)
        tell("drawing the same images under every decoder")
        exhibits = make_exhibits(groups, measured, measuring)
    contenders = [
        make_contender(group, measured, names, metric, figures[group.label], images.image_shape) for group in groups
    ]
    chosen = find_metric(metric)
    band = chosen.band if band is None else band
    pairs = compare_pairs(figures, band=band, less_is_better=chosen.better != "more")
    sizes = {contender.label: _sizes(contender) for contender in contenders}
    terms = check_terms(groups, sizes, [*left_out, *_other_images(measured)])
    tuning, widths = make_tuning(groups, tuned), make_widths(groups)
    terms = with_arms(terms, contenders, tuning, widths, images.image_shape[2])
    used = {"images": {"split": split, "number": len(images), "sha256": measuring.images.digest}}
    experiment = directories[0].path.absolute().parent
    terms = with_protocol(terms, experiment, runs, {**used, "metric": metric, "band": band})
    comparison = Comparison(
        title=title,
        split=split,
        num_images=len(images),
        image_shape=images.image_shape,
        metric=metric,
        contenders=tuple(contenders),
        pairs=pairs,
        baselines=_baselines(measured[groups[0].runs[0].directory.path], names),
        terms=terms,
        made=_made(),
        answer=find_answer(contenders, pairs, metric),
        band=band,
        corruption=_corruption(runs),
        codecs=codecs,
        budgets=make_budgets(groups, others, derived, partial(make_budget, measured, metric)),
        tuning=tuning,
        widths=widths,
        share=share,
    )
    return comparison, exhibits


def find_answer(contenders: Sequence[Contender], pairs: Sequence[Pair], metric: str) -> Answer:
    """Say which contender to use, from what is known of it and each other.

    Args:
        contenders: the best one first.
        pairs: every two of them.
        metric: by which they are sorted.
    """
    best, *others = contenders
    with_best = [pair for pair in pairs if pair.first == best.label]
    verdicts = [pair.verdict for pair in with_best]
    confidence: Verdict = min(verdicts, key=_LEAST_SURE_FIRST.index, default="undecided")
    badness = find_metric(metric).badness
    floors = {}
    for contender in contenders if find_metric(metric).better != "one" else ():
        if contender.floors and (contender is best or not contender.code["switch_bits"]):
            name, value = min(contender.floors.items(), key=lambda floor: badness(floor[1]))
            floors[contender.label] = Floor(name, value, badness(value) - badness(contender.metrics[metric].mean))
    return Answer(
        use=best.label,
        confidence=confidence,
        runner_up=others[0].label if others else None,
        difference=(with_best[0].low, with_best[0].mean, with_best[0].high) if others else None,
        floors=floors,
    )


_LEAST_SURE_FIRST: tuple[Verdict, ...] = ("undecided", "equivalent", "better")


def check_metric(metric: str, image_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Names of all metrics that images of this size have, once it is certain that `metric` is one of them.

    Raises:
        ConfigError: it is none.
    """
    names = tuple(one.name for one in metrics_of(image_shape))
    if metric not in names:
        added = None if is_metric(metric) else how_to_add(one.name for one in all_metrics())
        hint = f"; {added}" if added else ""
        raise ConfigError(f"--metric: must be one of {', '.join(names)}; received {metric}{hint}.")
    return names


def read_run(directory: RunDirectory, overrides: Sequence[str] = ()) -> RunRecord:
    """Read what a run directory tells of a run.

    Args:
        directory: with config.yaml; summary.json and metrics.jsonl may be missing where a run was killed, and
            environment.json, too.
        overrides: `data.KEY=VALUE`.

    Raises:
        UserError: a file cannot be read.
    """
    summary = directory.read_summary() if directory.summary.exists() else {}
    environment = directory.read_environment()
    return RunRecord(
        directory, load_config(directory.config, overrides), summary, directory.read_metrics(), environment
    )


def _sizes(contender: Contender) -> Sizes:
    code = contender.code
    return Sizes(
        parameters=contender.parameters,
        macs=contender.computed_macs or contender.macs_per_image,
        code_bits=int(code["values"] * code["bits_per_value"]),
        switch_bits=int(code["switch_bits"]),
    )


def _baselines(best: Evaluation, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means over images, and the number of values that each baseline's code has."""
    return {name: {key: found[key] for key in (*names, "values")} for name, found in best.results["baselines"].items()}


def _other_images(measured: Mapping[Path, Evaluation]) -> list[str]:
    """A sentence for each way in which runs were trained on other images than those that are there now."""
    found: dict[str, list[str]] = {}
    for path, evaluation in measured.items():
        for warning in from_json(evaluation.results.get("warnings", [])):
            if warning.code == "other_images":
                found.setdefault(warning.message, []).append(path.name)
    return [f"{listed_runs(names)}: {message}" for message, names in found.items()]


def _codecs(measured_on: EvaluationSet, tell: Callable[[str], None]) -> dict[str, RateCurve]:
    tell("measuring JPEG, WebP and PCA on the same images")
    with user_errors():
        curves, number = measure_rate_curves(measured_on.splits.train, measured_on.images)
    return {
        name: RateCurve(tuple(bits for bits, _ in points), tuple(psnr for _, psnr in points), number)
        for name, points in curves.items()
    }


def _corruption(runs: Sequence[RunRecord]) -> str:
    """Every kind there is with its settings, such as `gaussian, stddev 0.1`; empty where no run has any."""
    sections = [run.config.objective.corruption.model_dump(mode="json") for run in runs]
    found = dict.fromkeys(
        ", ".join(str(value) if key == "kind" else f"{key} {value}" for key, value in section.items()).replace("_", " ")
        for section in sections
    )
    return "" if list(found) == ["none"] else "; ".join(found)


def _made() -> dict[str, str]:
    environment: dict[str, Any] = describe_environment()
    return {
        "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        "program": f"cae {__version__}",
        "revision": environment["git_revision"] or "not a checkout",
        "python": environment["python"],
        **environment["packages"],
        "platform": environment["platform"],
        "cpu": f"{environment['cpu']}, {environment['cores']} cores",
        "gpus": ", ".join(environment["gpus"]) or "none",
    }
