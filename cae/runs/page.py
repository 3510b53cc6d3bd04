"""The page of a run: what came of it, in one look, made of the files that lie there."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.atomic_files import write_text
from cae.config import load_config
from cae.errors import UserError
from cae.files import PARSING_ERRORS, read_bytes
from cae.messages import next_steps, number_of
from cae.pages import render
from cae.pages.charts import Chart, draw_lines
from cae.plan import Plan, make_plan

if TYPE_CHECKING:
    from cae.runs.directory import RunDirectory

_FILES = {
    "config.yaml": "the configuration; `train.py` repeats the run with it",
    "metrics.jsonl": "figures of each epoch",
    "summary.json": "how the training ended",
    "environment.json": "versions, hardware, command, and which images there were",
    "model.weights.h5": "the best epoch's weights",
    "checksums.json": "for `python -m cae verify`",
    "evaluation/results.json": "figures of the evaluation",
    "evaluation/per_image.csv": "figures of each image",
    "visualization/index.html": "what the feature maps respond to",
}


def write_run_page(directory: RunDirectory) -> None:
    """Write index.html into a run, of its summary, metrics and evaluation; nothing where these cannot be read.

    It is a by-product: that it cannot be written is no reason for a training or an evaluation to fail.

    Args:
        directory: of a run whose training has ended.
    """
    with contextlib.suppress(UserError, AttributeError, *PARSING_ERRORS):
        write_text(directory.page, make_run_page(directory))


def make_run_page(directory: RunDirectory) -> str:
    """Make the page of a run: pictures are those beside it, everything else is inside.

    Args:
        directory: of a run with a summary.

    Raises:
        UserError: its files are damaged.
    """
    summary = directory.read_summary()
    results = _results(directory.evaluation / "results.json")
    plan = make_plan(load_config(directory.config).model, tuple(summary["image_shape"]))
    told = results if "warnings" in results else summary
    return render(
        "run.html",
        title=f"{directory.experiment}/{directory.name}",
        setting=_setting(summary, plan),
        verdict=str(results.get("verdict", {}).get("text", "")),
        facts=list(_facts(summary, results)),
        warnings=[str(one["message"]) for one in told.get("warnings", [])],
        pictures=_pictures(directory),
        charts=draw_epochs(directory.read_metrics()),
        plan=_plan_rows(plan),
        code=f"code: {_shape(plan.latent_shape)}, {number_of(plan.code.values, 'value')}",
        ends=(f"image {_shape(plan.image_shape)}", f"reconstruction {_shape(plan.image_shape)}"),
        files=[(name, what) for name, what in _FILES.items() if (directory.path / name).is_file()],
        commands=_commands(directory),
    )


def _results(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        results = json.loads(read_bytes(path))
    except PARSING_ERRORS:
        return {}
    return results if isinstance(results, dict) else {}


def _setting(summary: Mapping[str, Any], plan: Plan) -> str:
    status = str(summary.get("status", "")).replace("_", " ")
    return (
        f"{status} after {number_of(summary.get('epochs', 0), 'epoch')} and {summary.get('wall_seconds', 0):,.0f} s;"
        f" {plan.parameters:,} parameters, {plan.macs / 1e6:,.1f} million multiply-accumulates an image"
    )


def _facts(summary: Mapping[str, Any], results: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if results:
        yield f"{results.get('split', 'test')} images".capitalize(), f"{results['images']:,}"
        yield "PSNR", f"{results['psnr']:.2f} dB"
        yield "SSIM", f"{results['ssim']:.4f}"
    best = summary.get("best") or {}
    if "val_psnr" in best:
        yield "Validation PSNR", f"{best['val_psnr']:.2f} dB at the best epoch, {best.get('epoch')}"
    code = summary.get("code") or {}
    if "ratio" in code:
        yield "Code", f"{number_of(code['values'], 'value')}, {code['ratio']:.3g} of the image's bits"
        if code.get("switch_bits"):
            yield "Switches", f"{code['switch_bits']:,} bits an image bypass the code"
    prominence = (results.get("artefacts") or {}).get("prominence_db") or {}
    if prominence:
        text = ", ".join(
            f"{value:.2f} dB at period {period}" for period, value in prominence.items() if value is not None
        )
        yield "Checkerboards", f"{text} above their surroundings in the spectrum of the errors"


def _pictures(directory: RunDirectory) -> list[tuple[str, str]]:
    """Files of pictures beside the page, each with what it shows."""
    evaluated = directory.evaluation / directory.reconstructions.name
    if evaluated.is_file():
        return [(evaluated.relative_to(directory.path).as_posix(), "Best, median and worst images of the evaluation")]
    if directory.reconstructions.is_file():
        return [(directory.reconstructions.name, "The first validation images")]
    return []


def draw_epochs(rows: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Draw PSNR and loss over the epochs, as far as they are finite.

    Args:
        rows: of metrics.jsonl.
    """
    charts = []
    for title, names in (
        ("PSNR of validation images, in dB", {"val_psnr": "validation"}),
        ("Loss", {"loss": "training", "val_loss": "validation"}),
    ):
        lines = {
            label: [(float(row["epoch"]), float(row[name])) for row in rows if math.isfinite(row.get(name, math.nan))]
            for name, label in names.items()
        }
        lines = {label: points for label, points in lines.items() if points}
        if lines:
            charts.append(draw_lines(title, "epoch", lines))
    return charts


def _plan_rows(plan: Plan) -> list[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Encoder and decoder side by side, from the image's end: a box each, or nothing."""
    from cae.plan_figure.steps import make_links, make_rows

    beside: dict[str, list[str]] = {}
    for link in make_links(plan):
        beside.setdefault(link.source, []).append(f"gives {link.label}")
        beside.setdefault(link.target, []).append(f"takes {link.label}")

    def box(step: Any) -> dict[str, Any] | None:
        if step is None:
            return None
        told = [_shape(step.shape), *([f"{step.parameters:,} parameters"] if step.parameters else [])]
        return {"name": step.name, "what": step.summary, "told": ", ".join([*told, *beside.get(step.name, [])])}

    return [(box(row.encoder), box(row.decoder)) for row in make_rows(plan)]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _commands(directory: RunDirectory) -> list[tuple[str, str]]:
    """What can be done next, as it can be pasted where the training was started."""
    run, cae = directory.path, ("python", "-m", "cae")
    commands = (
        ("Measure it beside what needs no training", ["python", "evaluate.py", run]),
        ("See it in TensorBoard", [*cae, "tensorboard", run]),
        ("See what its feature maps respond to", [*cae, "visualize", run]),
        ("Reconstruct your own images", [*cae, "reconstruct", run, Path("photos"), "--out", Path("reconstructed")]),
        ("Find what does not belong", [*cae, "score", run, Path("photos"), "--out", Path("scored")]),
        ("Get the codes", [*cae, "encode", run, Path("photos"), "--out", Path("codes.npz")]),
        ("Export it", [*cae, "export", run, "--format", "onnx"]),
        ("Train for longer", ["python", "train.py", run / "config.yaml", "--resume", "--set", "training.epochs=N"]),
    )
    return [(what, next_steps(words).removeprefix("Next: ")) for what, words in commands]
