"""`evaluate`: measure trained runs on held-out images, and compare them where there are several."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cae.commands.chosen_runs import find_runs
from cae.commands.planning import add_data_override_argument, check_data_overrides, load_splits_with_progress
from cae.engine import start_engine
from cae.errors import ConfigError, UserError, from_json
from cae.messages import next_steps, tell
from cae.runs import RunDirectory, check_is_writable

if TYPE_CHECKING:
    from cae.data.image_set import Splits

Split = Literal["test", "validation", "train"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run directory, or an experiment: a folder of runs"
    )
    parser.add_argument(
        "--split",
        choices=get_args(Split),
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
        "--band",
        type=positive_number,
        metavar="AMOUNT",
        help="decoders whose figures differ by less are equivalent, in the metric's unit; default: 0.1 dB of PSNR, and"
        " none for other metrics",
    )
    parser.add_argument(
        "--again", action="store_true", help="measure runs, too, that were measured already with nothing changed since"
    )
    parser.add_argument(
        "--features",
        action=argparse.BooleanOptionalAction,
        help="what the codes are worth: nearest neighbours and a linear probe on labels, beside pixels and PCA, and"
        " pictures of neighbours, interpolation and traversal; default: for a single run whose images have labels",
    )
    parser.add_argument(
        "--feature-images",
        type=positive_count,
        metavar="N",
        help="training images that probes are fitted on, and images that they are scored on, at most; default: 10000",
    )
    parser.add_argument(
        "--projector",
        action="store_true",
        help="write up to 2,000 codes with thumbnails and labels for TensorBoard's projector",
    )
    add_data_override_argument(parser)


def positive_count(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1; received {text}")
    return int(text)


def positive_number(text: str) -> float:
    """A finite number above 0, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0; received {text}")
    return value


def run(options: argparse.Namespace) -> int:
    """Evaluate a run, or several and compare them; prints a table and, last, the folder of the files."""
    check_data_overrides(options.overrides)
    if options.feature_images is not None and options.features is False:
        raise ConfigError("--feature-images has no effect with --no-features.")
    directories, left_out = find_runs(options.runs, tell)
    if len(directories) > 1:
        _check_is_about_runs(options)
        _compare(directories, left_out, options)
        return 0
    if options.band is not None and not left_out:
        raise ConfigError("--band: is for comparisons; one run was given.")
    if left_out:
        tell(f"{directories[0].path}: the only run that is left; it is measured alone, and nothing is compared.")
    _evaluate(directories[0], options)
    return 0


def _check_is_about_runs(options: argparse.Namespace) -> None:
    """Refuse what only a single run has: a comparison does not look at codes."""
    given = {
        "--features": options.features,
        "--feature-images": options.feature_images,
        "--projector": options.projector,
    }
    for name in (name for name, value in given.items() if value):
        raise ConfigError(f"{name}: is for one run at a time; a comparison of several does not look at their codes.")


def _evaluate(directory: RunDirectory, options: argparse.Namespace) -> None:
    out = options.out or directory.evaluation
    results = evaluate_one(
        directory,
        out,
        split=options.split,
        metric=options.metric,
        overrides=options.overrides,
        again=options.again,
        features=options.features,
        feature_images=options.feature_images,
        projector=options.projector,
    )
    print(format_results(directory.path, results))
    if results["ablations_in_words"]:
        print(results["ablations_in_words"])
    pictures = [str(out / "reconstructions.png")]
    if "features" in results and options.features is not False:
        from cae.features.quality import format_features, picture_files

        print(format_features(results["features"], options.split))
        pictures += [str(out / name) for name in picture_files(results["features"])]
    for warning in from_json(results.get("warnings", [])):
        if warning.code != "below_floor":  # the verdict says it
            print(warning)
    print(results["verdict"]["text"])
    print(out)
    tell("Pictures: " + "\n          ".join(pictures))


def evaluate_one(
    directory: RunDirectory,
    out: Path,
    *,
    split: Split,
    metric: str = "psnr",
    overrides: Sequence[str] = (),
    again: bool = False,
    features: bool | None = None,
    feature_images: int | None = None,
    projector: bool = False,
    tell: Callable[[str], None] = tell,
) -> dict[str, Any]:
    """Measure a run, or read back what was measured already with nothing changed since; gives results.json.

    Raises:
        ConfigError: There is no such metric for these images.
        UserError: The run is damaged, images are missing, or the folder cannot be written.
    """
    start_engine()
    from cae.comparison.compare import check_metric
    from cae.config import load_config
    from cae.data.pipeline import user_errors
    from cae.evaluation.evaluation_set import EvaluationSet
    from cae.evaluation.results import evaluate_run, find_evaluation
    from cae.features.describe import MOST_IMAGES, add_features, add_projector
    from cae.runs.trained import load_trained_run

    config = load_config(directory.config, overrides)
    splits = load_splits_with_progress(config.data, tell)
    if not overrides:
        _tell_of_other_parts(directory, splits, tell)
    measured_on = EvaluationSet(splits, split)
    check_metric(metric, measured_on.images.image_shape)
    load = cache(lambda: load_trained_run(directory, lambda _: splits, overrides))
    with user_errors():
        evaluation = None if again else find_evaluation(directory, config, measured_on, out)
        if evaluation is None:
            check_is_writable(out)
            evaluation = evaluate_run(load(), measured_on, out, tell)
        else:
            tell(f"{directory.path}: measured already, and nothing has changed since (--again measures it afresh)")
        evaluation = add_features(
            evaluation, measured_on, load, out, wanted=features, most_images=feature_images or MOST_IMAGES, tell=tell
        )
        if projector:
            folder = add_projector(evaluation, measured_on, load(), out, tell)
            tell("Codes to turn and search:")
            tell(next_steps(["tensorboard", "--logdir", folder]))
    for name, reason in splits.replaced.items():
        tell(f"{name}: another image was taken in its place: {reason}")
    return evaluation.results


def _tell_of_other_parts(directory: RunDirectory, splits: Splits, tell: Callable[[str], None]) -> None:
    """Say that images were divided in another way when the run was trained: what is measured may have been seen."""
    trained_on = directory.read_summary().get("images") if directory.summary.exists() else None
    if trained_on and any(trained_on[part] != number for part, number in splits.numbers.items()):
        numbers = ", ".join(f"{part} {trained_on[part]:,}" for part in splits.numbers)
        tell(
            f"Warning: {directory.path} was trained when its images were {numbers}. They are not these any more, or are"
            " divided in another way, so that what is measured here may have been trained on."
        )


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
    from cae.comparison.report.terminal import format_comparison

    comparison, exhibits = compare_runs(
        directories,
        title=experiments[0].name if experiment else out.resolve().name,
        split=options.split,
        metric=options.metric,
        band=options.band,
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
    print(out)
    # Curves, picture and table lie in the comparison's folder, the runs and their HParams in the experiment's.
    shown = [] if logged is None else [_as_typed(logged)]
    if logged is None or not out.resolve().is_relative_to(logged.resolve()):
        shown.append(out)
    tell(f"In a browser: {out / 'comparison.html'}")
    tell(next_steps(*(["tensorboard", "--logdir", folder] for folder in shown)))


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
    """The model's means beside its baselines and floors."""
    rows = {"model": results, **results["baselines"], **results["floors"]}
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
