"""From the measured runs of a decoder to its figures over seeds, and the order of decoders."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cae.comparison.contenders import Group, RunRecord
from cae.comparison.record import Budget, Contender, Curve, Estimate, RunFigures
from cae.comparison.statistics import Figures, estimate, interquartile_mean
from cae.errors import from_json
from cae.evaluation.ablations import in_words
from cae.evaluation.bits import bits_in_words, mean_bits
from cae.evaluation.files import Evaluation
from cae.measures.catalogue import LOSS, metrics_while_training
from cae.measures.catalogue import metric as find_metric
from cae.plan import make_plan
from cae.plan.lowering import computed_macs

if TYPE_CHECKING:
    from cae.comparison.contenders import Group
    from cae.evaluation.files import Evaluation


def sort_groups(
    groups: Sequence[Group], measured: Mapping[Path, Evaluation], metric: str
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


# Of metrics.jsonl; all but the first are on validation images.
_CURVES = (LOSS.name, f"val_{LOSS.name}", *(f"val_{metric.name}" for metric in metrics_while_training()))


def make_contender(
    group: Group,
    measured: Mapping[Path, Evaluation],
    names: Sequence[str],
    metric: str,
    figures: Figures,
    image_shape: tuple[int, int, int],
) -> Contender:
    """Put together what is known of a contender.

    Args:
        group: its runs.
        measured: each run directory's path to its evaluation.
        names: of the metrics.
        metric: the chosen one.
        figures: from `sort_groups`.
        image_shape: (height, width, channels).
    """
    results = [measured[run.directory.path].results for run in group.runs]
    metrics = {name: estimate([found[name] for found in results]) for name in ("loss", *names)}
    code, plan = results[0]["code"], make_plan(group.config.model, image_shape)
    ablations = {
        name: estimate([found["ablations"][name]["mse"] for found in results]) for name in results[0]["ablations"]
    }
    return Contender(
        label=group.label,
        upsampling=group.config.model.upsampling_kinds,
        settings=group.settings,
        runs=tuple(_run_figures(run, found, metrics) for run, found in zip(group.runs, results, strict=True)),
        parameters=results[0]["parameters"],
        macs_per_image=results[0]["macs_per_image"],
        code=code,
        metrics=metrics,
        artefacts=_over_runs([_flat_artefacts(found["artefacts"]) for found in results]),
        ablations=ablations,
        ablations_in_words=_in_one_line(metrics["mse"].mean, ablations, int(code["switch_bits"])),
        curves=_curves(group.runs),
        interquartile_mean=interquartile_mean(figures),
        training_seconds=_training_seconds(group.runs),
        bits=_over_runs([_flat_bits(found["bits"]) for found in results]),
        bits_in_words=bits_in_words(mean_bits([found["bits"] for found in results], plan)),
        computed_macs=computed_macs(plan),
        warnings=tuple(
            dict.fromkeys(one.code for run in group.runs for one in from_json(run.summary.get("warnings", [])))
        ),
        floors={
            name: float(found[metric])
            for part in ("baselines", "floors")
            for name, found in results[0].get(part, {}).items()
            if isinstance(found, Mapping) and found.get(metric) is not None
        },
    )


def make_budget(
    measured: Mapping[Path, Evaluation],
    metric: str,
    label: str,
    length: tuple[Literal["epochs", "steps"], int],
    runs: Sequence[RunRecord],
) -> Budget:
    """Put together what a decoder reached with one length of training; see `Budget`."""
    results = [measured[run.directory.path].results for run in runs]
    value = estimate([found[metric] for found in results])
    return Budget(
        label,
        *length,
        _training_seconds(runs),
        value,
        tuple(_run_figures(run, found, {metric: value}) for run, found in zip(runs, results, strict=True)),
    )


def _training_seconds(runs: Sequence[RunRecord]) -> float | None:
    seconds = [run.summary.get("training_seconds") for run in runs]
    known = [float(one) for one in seconds if one is not None]
    return sum(known) / len(known) if len(known) == len(seconds) else None


def _run_figures(run: RunRecord, results: Mapping[str, Any], metrics: Mapping[str, Estimate]) -> RunFigures:
    best = run.summary.get("best") or min(run.metrics, key=lambda row: row.get("val_loss", math.inf), default={})
    return RunFigures(
        path=str(run.directory.path),
        name=run.directory.name,
        seed=run.seed,
        epochs=run.summary.get("epochs", run.metrics[-1]["epoch"] if run.metrics else 0),
        best_epoch=best.get("epoch", 0),
        metrics={name: float(results[name]) for name in metrics},
    )


def _in_one_line(mse: float, ablations: Mapping[str, Estimate], switch_bits: int) -> str:
    means = {name: {"mse": found.mean} for name, found in ablations.items()}
    return " ".join(in_words(mse, means, switch_bits).split())


def _flat_artefacts(artefacts: Mapping[str, Any]) -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for name, values in artefacts.items():
        if isinstance(values, Mapping):
            flat |= {f"{name}_{period}": value for period, value in values.items()}
    for layer in artefacts["layers"]:
        flat |= {f"{name}_{layer['stage']}": value for name, value in layer.items() if name != "stage"}
    return flat


def _flat_bits(bits: Mapping[str, Any]) -> dict[str, float | None]:
    if not bits:
        return {}
    code, switches = bits["code"], bits.get("switches", {})
    flat = {"total": bits["total"], "code": code["entropy"]}
    flat |= {name: code[name] for name in ("quantized", "psnr", "psnr_loss")}
    return {**flat, **{f"switches_{name}": value for name, value in switches.items()}}


def _over_runs(figures: Sequence[Mapping[str, float | None]]) -> dict[str, Estimate]:
    """Estimates of what every run has a number for."""
    values = {name: [found.get(name) for found in figures] for name in figures[0]}
    return {
        name: estimate([value for value in column if value is not None])
        for name, column in values.items()
        if None not in column
    }


def _curves(runs: Sequence[RunRecord]) -> dict[str, Curve]:
    curves = {name: _curve([_points(run, name) for run in runs]) for name in _CURVES}
    return {name: curve for name, curve in curves.items() if curve.epochs}


def _points(run: RunRecord, name: str) -> dict[int, float]:
    return {row["epoch"]: float(row[name]) for row in run.metrics if math.isfinite(row.get(name, math.nan))}


def _curve(runs: Sequence[Mapping[int, float]]) -> Curve:
    """Means over runs, of the epochs that all have."""
    epochs = tuple(sorted(set(runs[0]).intersection(*runs[1:])))
    found = [estimate([points[epoch] for points in runs]) for epoch in epochs]
    return Curve(
        epochs,
        tuple(one.mean for one in found),
        tuple(one.low for one in found if one.low is not None),
        tuple(one.high for one in found if one.high is not None),
    )
