"""`evaluate`: measure trained runs, and compare several. `protocol`: write down before what is to be compared."""

from __future__ import annotations

import argparse
import math
import os
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cae.commands.arguments.parser import add_data_override_argument, add_override_argument
from cae.config import load_config
from cae.config.registration import load_installed_parts
from cae.engine import start_engine
from cae.errors import ConfigError, UserError, from_json
from cae.grid import TRIALS
from cae.measures.catalogue import all_metrics
from cae.messages import align, next_steps, reporting, tell
from cae.runs import RunDirectory, check_is_writable, open_run
from cae.workflows.evaluation import Split, evaluate_one
from cae.workflows.grid import find_grid
from cae.workflows.planning import check_data_overrides, load_splits_with_progress
from cae.workflows.training import TrainingJob

if TYPE_CHECKING:
    from cae.comparison.record import Comparison

_USUAL_METRIC = "psnr"


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    load_installed_parts("metric", lambda name: True)
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
    group = parser.add_argument_group("what is compared, and how")
    group.add_argument(
        "--metric",
        choices=[one.name for one in all_metrics()],
        metavar="METRIC",
        help="what a comparison is sorted by: mse, mae, psnr (default), ssim, high_frequency_ratio, or ms_ssim of"
        " images of 161 pixels a side or more",
    )
    group.add_argument(
        "--band",
        type=positive_number,
        metavar="AMOUNT",
        help="decoders whose figures differ by less are equivalent, in the metric's unit; default: 0.1 dB of PSNR, and"
        " none for other metrics",
    )
    parser.add_argument(
        "--ranks",
        action="store_true",
        help="each folder is an experiment on a data set of its own: compare each by itself, then rank the decoders"
        " over all of them; --out is the folder of the ranks",
    )
    parser.add_argument(
        "--again", action="store_true", help="measure runs, too, that were measured already with nothing changed since"
    )
    group = parser.add_argument_group("what the codes are worth")
    group.add_argument(
        "--features",
        action=argparse.BooleanOptionalAction,
        help="what the codes are worth: nearest neighbours and a linear probe on labels, beside pixels and PCA, and"
        " pictures of neighbours, interpolation and traversal; default: for a single run whose images have labels",
    )
    group.add_argument(
        "--feature-images",
        type=positive_count,
        metavar="N",
        help="training images that probes are fitted on, and images that they are scored on, at most; default: 10000",
    )
    group.add_argument(
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


def run_evaluate(options: argparse.Namespace) -> int:
    """Evaluate a run, or several and compare them; prints a table and, last, the folder of the files."""
    check_data_overrides(options.overrides)
    if options.feature_images is not None and options.features is False:
        raise ConfigError("--feature-images has no effect with --no-features.")
    if options.ranks:
        _check_is_about_runs(options)
        _rank(options)
        return 0
    directories, left_out = find_runs(options.runs, tell)
    if len(directories) > 1:
        _check_is_about_runs(options)
        _compare(directories, left_out, options, options.out)
        return 0
    if options.band is not None and not left_out:
        raise ConfigError("--band: is for comparisons; one run was given.")
    if left_out:
        tell(f"{directories[0].path}: the only run that is left; it is measured alone, and nothing is compared.")
    if options.metric is not None:
        tell("--metric is what a comparison is sorted by; of one run all figures are in results.json.")
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
    with reporting("Starting TensorFlow"):
        results = evaluate_one(
            directory,
            out,
            split=options.split,
            metric=options.metric or _USUAL_METRIC,
            overrides=options.overrides,
            again=options.again,
            features=options.features,
            feature_images=options.feature_images,
            projector=options.projector,
        )
    print(format_results(directory.path, results))
    if results["bits_in_words"]:
        print(textwrap.fill(results["bits_in_words"], 118, break_on_hyphens=False, break_long_words=False))
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
    if out == directory.evaluation:
        tell(f"In a browser: {directory.page}")
    visualize = ["python", "-m", "cae", "visualize", directory.path]
    if options.projector:
        from cae.features.describe import PROJECTOR

        shown = "the tab Projector has the codes, to turn and to search"
        tell(next_steps(["tensorboard", "--logdir", out / PROJECTOR], visualize, shown=shown))
    else:
        tell(next_steps(visualize, ["tensorboard", "--logdir", directory.path.parent]))


def _rank(options: argparse.Namespace) -> None:
    """Compare each experiment by itself, and rank the decoders over all of them."""
    if options.out is None or len(options.runs) < 2:
        raise ConfigError("--ranks: needs two experiments or more, and --out, a folder for the ranks.")
    check_is_writable(options.out)
    found = {str(path): find_runs([path], tell) for path in options.runs}
    for path, (directories, _) in found.items():
        if len(directories) < 2:
            raise ConfigError(f"--ranks: needs experiments of several runs each. Received: {path}, which has one.")
    comparisons = {
        path: _compare(directories, left_out, options, None) for path, (directories, left_out) in found.items()
    }
    from cae.comparison.ranks import rank_decoders, ranks_in_words, ranks_table, write_ranks
    from cae.comparison.report.markdown import format_table

    ranks = rank_decoders(comparisons)
    write_ranks(ranks, options.out)
    print("\n".join(["", ranks_table(ranks).caption, *format_table(ranks_table(ranks))]))
    print(textwrap.fill(ranks_in_words(ranks), 100))
    print(options.out)


def _compare(
    directories: Sequence[RunDirectory], left_out: Sequence[str], options: argparse.Namespace, out: Path | None
) -> Comparison:
    # A run may be `.`, whose parent is not what pathlib says.
    experiments = list(dict.fromkeys(Path(os.path.abspath(directory.path)).parent for directory in directories))
    experiment = experiments[0] if len(experiments) == 1 else None
    if experiment is None and out is None:
        raise ConfigError(
            "--out: runs of several experiments have no folder in common; give one for the comparison. Received runs"
            f" in {', '.join(map(str, experiments))}."
        )
    is_given, out = out is not None, out or _as_typed(experiments[0]) / "comparison"
    check_is_writable(out)
    read_only = _find_read_only(directories, experiment, is_allowed=is_given)
    with reporting("Starting TensorFlow"):
        start_engine()
        from cae.comparison.compare import compare_runs
        from cae.comparison.events import write_events
        from cae.comparison.report import write_report
        from cae.comparison.report.markdown import format_comparison

        comparison, exhibits = compare_runs(
            directories,
            title=experiments[0].name if experiment else out.resolve().name,
            split=options.split,
            metric=options.metric or _USUAL_METRIC,
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
    return comparison


def _find_read_only(directories: Sequence[RunDirectory], experiment: Path | None, *, is_allowed: bool) -> list[Path]:
    """Runs that get no figures for TensorBoard, and the experiment if it gets no table, since they cannot be written.

    Raises:
        UserError: there is one, and none is allowed.
    """
    no_figures = "TensorBoard gets no figures of it."
    folders = [(run.path, run.evaluation, f"It is not measured afresh, and {no_figures}") for run in directories]
    folders += [(run.path, run.path, no_figures) for run in directories]
    if experiment is not None:
        folders.append((experiment, experiment, "TensorBoard gets no table of its runs."))
    read_only: list[Path] = []
    for path, folder, consequence in folders:
        try:
            if path not in read_only:
                check_is_writable(folder)
        except UserError as error:
            if not is_allowed:
                raise
            read_only.append(path)
            tell(f"{error} {consequence}")
    return read_only


def _as_typed(folder: Path) -> Path:
    """Relative where the folder lies below the current one, as users write it."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) else folder


def format_results(path: Path, results: dict[str, Any]) -> str:
    """The model's means beside its baselines and floors."""
    from cae.measures.verdict import TITLES  # imports NumPy, which takes time

    rows = {"model": results, **results["baselines"], **results["floors"]}
    if "clean_inputs" in results:
        rows["model, clean inputs"] = results["clean_inputs"]
    cells = [
        (TITLES.get(name, name), f"{row['mse']:.6f}", f"{row['mae']:.5f}", f"{row['psnr']:.3f}", f"{row['ssim']:.4f}")
        for name, row in rows.items()
        if "mse" in row
    ]
    table = align([("", "MSE", "MAE", "PSNR/dB", "SSIM"), *cells], numbers=range(1, 5))
    return "\n".join([f"{path}: {results['images']:,} {results['split']} images", *table])


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    load_installed_parts("metric", lambda name: True)
    parser.add_argument("config", type=Path, help="YAML file with a grid")
    add_override_argument(parser)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    parser.add_argument("--split", choices=get_args(Split), default="test", help="images that measure; default: test")
    parser.add_argument(
        "--metric",
        choices=[one.name for one in all_metrics()],
        default=_USUAL_METRIC,
        metavar="METRIC",
        help="what decoders are compared by; default: psnr",
    )
    parser.add_argument(
        "--band",
        type=positive_number,
        metavar="AMOUNT",
        help="decoders whose figures differ by less are equivalent; default: 0.1 dB of PSNR, else none",
    )


def run_protocol(options: argparse.Namespace) -> int:
    """Write RUNS_DIR/EXPERIMENT/protocol.json; prints its SHA-256, and last the file."""
    config = load_config(options.config, options.overrides)
    if not config.grid:
        raise ConfigError(f"{options.config} has no `grid`, and a single run is compared with nothing.")
    job = TrainingJob(config, options.config, options.runs_dir)
    check_is_writable(job.experiment)
    combinations = find_grid(job)
    start_engine()
    from cae.atomic_files import write_json
    from cae.comparison.compare import check_metric
    from cae.comparison.protocol import NAME, check_is_new, make_protocol
    from cae.evaluation.evaluation_set import EvaluationSet

    check_is_new(job.experiment, [one.directory.path for one in combinations if one.directory.exists])
    images = EvaluationSet(load_splits_with_progress(combinations[0].config.data), options.split)
    check_metric(options.metric, images.images.image_shape)
    protocol = make_protocol(
        [one.config for one in combinations],
        config.tune,
        split=options.split,
        metric=options.metric,
        band=options.band,
        num_images=len(images.images),
        digest=images.digest,
    )
    path = job.experiment / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    job.write_widths()
    write_json(path, protocol)
    print(f"sha256 {protocol['sha256']}")
    words = [word for override in options.overrides for word in ("--set", override)]
    tell(next_steps(["python", "train.py", options.config, *words, "--runs-dir", options.runs_dir]))
    print(path)
    return 0


def find_runs(paths: Sequence[Path], tell: Callable[[str], None]) -> tuple[list[RunDirectory], list[str]]:
    """Open the runs that paths lead to, each once, in the order given; those of an experiment by their names.

    A folder without config.yaml is an experiment: its sub-folders that are runs with weights are taken, other runs
    are left out. Beside runs, an earlier comparison's folder and event files are passed over, as `EXPERIMENT/*` has
    them.

    Args:
        paths: run directories and experiments.
        tell: shows a line to the user.

    Returns:
        The runs, and a sentence for each that was left out.

    Raises:
        UserError: a path leads to no run.
    """
    found: dict[Path, RunDirectory] = {}
    left_out: list[str] = []
    for path in paths:
        if len(paths) > 1 and _is_by_product(path):
            tell(f"{path}: passed over, since it is no run but was made of runs.")
            continue
        for run in _runs_at(path, left_out, tell):
            found.setdefault(run.path.resolve(), run)
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: there are no runs to evaluate.")
    return list(found.values()), list(dict.fromkeys(left_out))


def _runs_at(path: Path, left_out: list[str], tell: Callable[[str], None]) -> list[RunDirectory]:
    if RunDirectory(path).exists or not path.is_dir():
        return [open_run(path, tell)]
    runs = []
    for run in _runs_in(path):
        if run.weights.exists():
            runs.append(open_run(run.path, tell))
        else:
            status = f" (status: {run.status})" if run.status else ""
            left_out.append(f"{run.path}: left out, since it has no model.weights.h5 yet{status}.")
            tell(left_out[-1])
    if not runs:
        raise UserError(f"{path}: is neither a run (there is no config.yaml in it) nor a folder of trained runs.")
    return runs


def _runs_in(experiment: Path) -> list[RunDirectory]:
    """All runs in it, finished or not; a name that begins with a dot is a run that is being replaced."""
    folders = (RunDirectory(folder) for folder in sorted(experiment.iterdir()) if not folder.name.startswith("."))
    return [run for run in folders if run.exists]


def _is_by_product(path: Path) -> bool:
    names = ("events.out.tfevents.", "matching.json", "precision.json", "protocol.json")
    if path.name.startswith(names) and path.is_file():
        return True
    if path.name == TRIALS and not RunDirectory(path).exists:
        return True
    # `--out` may have put a comparison into a run or an experiment.
    return (path / "comparison.json").exists() and not (RunDirectory(path).exists or _runs_in(path))
