"""`evaluate`: measure trained runs on held-out images, and compare them where there are several."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cae.commands.chosen_runs import find_runs
from cae.commands.messages import tell
from cae.commands.planning import add_data_override_argument, check_data_overrides, load_splits_with_progress
from cae.engine import start_engine
from cae.errors import ConfigError, UserError
from cae.runs import RunDirectory, check_is_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or an experiment: a folder of runs"
    )
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train"),
        default="test",
        help="default: test; files of another split in the same folder are replaced",
    )
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the files; default: RUN/evaluation, and for the comparison of several EXPERIMENT/comparison;"
        " what an earlier evaluation, of any split, left there is replaced",
    )
    parser.add_argument(
        "--metric",
        default="psnr",
        help="what a comparison is sorted by: mse, mae, psnr (default), ssim, high_frequency_ratio, or ms_ssim of"
        " images of 161 pixels a side or more",
    )
    parser.add_argument(
        "--again", action="store_true", help="measure runs, too, that were measured already with nothing changed since"
    )
    add_data_override_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate a run, or several and compare them; prints a table and, last, the folder of the files."""
    check_data_overrides(options.overrides)
    directories, left_out = find_runs(options.runs, tell)
    if len(directories) > 1:
        _compare(directories, left_out, options)
        return 0
    if left_out:
        tell(f"{directories[0].path}: the only run that is left; it is measured alone, and nothing is compared.")
    _evaluate(directories[0], options)
    return 0


def _evaluate(directory: RunDirectory, options: argparse.Namespace) -> None:
    out = options.out or directory.evaluation
    start_engine()
    from cae.comparison.compare import check_metric
    from cae.config import load_config
    from cae.data.read_failures import user_errors
    from cae.evaluation.evaluation_set import EvaluationSet
    from cae.evaluation.results import evaluate_run, find_evaluation
    from cae.runs.trained import load_trained_run

    config = load_config(directory.config, options.overrides)
    splits = load_splits_with_progress(config.data)
    measured_on = EvaluationSet(splits, options.split)
    check_metric(options.metric, measured_on.images.image_shape)
    with user_errors():
        evaluation = None if options.again else find_evaluation(directory, config, measured_on, out)
        if evaluation is None:
            check_is_writable(out)
            trained = load_trained_run(directory, lambda _: splits, options.overrides)
            evaluation = evaluate_run(trained, measured_on, out, tell)
        else:
            tell(f"{directory.path}: measured already, and nothing has changed since (--again measures it afresh)")
    for name, reason in splits.replaced.items():
        tell(f"{name}: another image was taken in its place: {reason}")
    print(format_results(directory.path, evaluation.results))
    if evaluation.results["ablations_in_words"]:
        print(evaluation.results["ablations_in_words"])
    print(out)
    tell(f"Best, median and worst reconstructions: {out / 'reconstructions.png'}")


def _compare(directories: Sequence[RunDirectory], left_out: Sequence[str], options: argparse.Namespace) -> None:
    # A run may be `.`, whose parent is not what pathlib says.
    experiments = list(dict.fromkeys(Path(os.path.abspath(directory.path)).parent for directory in directories))
    experiment = experiments[0] if len(experiments) == 1 else None
    if experiment is None and options.out is None:
        raise ConfigError(
            "--out: runs of several experiments have no folder in common; give one for the comparison. Received runs"
            f" in {', '.join(map(str, experiments))}."
        )
    out = options.out or _as_typed(experiments[0]) / "comparison"
    check_is_writable(out)
    read_only = _find_read_only(directories, experiment, is_allowed=options.out is not None)
    start_engine()
    from cae.comparison.compare import compare_runs
    from cae.comparison.events import write_events
    from cae.comparison.report import write_report
    from cae.comparison.table import format_comparison

    comparison, exhibits = compare_runs(
        directories,
        title=experiments[0].name if experiment else out.resolve().name,
        split=options.split,
        metric=options.metric,
        load_splits=load_splits_with_progress,
        overrides=options.overrides,
        again=options.again,
        left_out=left_out,
        tell=tell,
    )
    write_report(comparison, exhibits, out)
    logged = None if experiment in read_only else experiment
    write_events(comparison, exhibits, out, logged, read_only)
    print(format_comparison(comparison))
    for warning in comparison.terms.warnings:
        print(f"Warning: {warning}")
    for contender in comparison.contenders:
        if contender.ablations_in_words:
            print(f"{contender.label}: {contender.ablations_in_words}")
    print(out)
    # Curves, picture and table lie in the comparison's folder, the runs and their HParams in the experiment's.
    shown = [] if logged is None else [_as_typed(logged)]
    if logged is None or not out.resolve().is_relative_to(logged.resolve()):
        shown.append(out)
    lines = [f"Next: open {out / 'comparison.html'}", *(f"tensorboard --logdir {folder}" for folder in shown)]
    tell("\n      ".join(lines))


def _find_read_only(directories: Sequence[RunDirectory], experiment: Path | None, *, is_allowed: bool) -> list[Path]:
    """Runs that get no figures for TensorBoard, and the experiment if it gets no table, since they cannot be written.

    Raises:
        UserError: there is one, and none is allowed.
    """
    folders = {directory.path: directory.evaluation for directory in directories}
    if experiment is not None:
        folders[experiment] = experiment
    read_only = []
    for path, folder in folders.items():
        try:
            check_is_writable(folder)
        except UserError as error:
            if not is_allowed:
                raise
            read_only.append(path)
            if path == experiment:
                tell(f"{error} TensorBoard gets no table of its runs.")
            else:
                tell(f"{error} It is not measured afresh, and TensorBoard gets no figures of it.")
    return read_only


def _as_typed(folder: Path) -> Path:
    """Relative where the folder lies below the current one, as users write it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def format_results(path: Path, results: dict[str, Any]) -> str:
    """The model's means beside its baselines."""
    rows = {"model": results, **results["baselines"]}
    if "clean_inputs" in results:
        rows["model, clean inputs"] = results["clean_inputs"]
    width = max(len(name) for name in rows)
    lines = [f"{path}: {results['images']:,} {results['split']} images"]
    lines.append(f"{'':{width}}  {'MSE':>9}  {'MAE':>8}  {'PSNR/dB':>8}  {'SSIM':>7}")
    for name, row in rows.items():
        if "mse" in row:
            values = f"{row['mse']:9.6f}  {row['mae']:8.5f}  {row['psnr']:8.3f}  {row['ssim']:7.4f}"
            lines.append(f"{name:{width}}  {values}")
    return "\n".join(lines)
