"""`train`: train an autoencoder from a configuration. `tune`: find its learning rate in a minute (Smith 2017)."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cae.atomic_files import filling_folder, write_json
from cae.commands.arguments.parser import add_override_argument
from cae.commands.main import main
from cae.config import ConfigError, load_config
from cae.grid import Shard, check_plans, format_combinations, parse_jobs
from cae.messages import as_word, next_steps, progress_bar, tell
from cae.plan.table import format_plan
from cae.runs import RunDirectory, check_is_writable
from cae.workflows.grid import describe_tuning, find_amounts, find_grid, train_grid
from cae.workflows.training import (
    TrainingJob,
    amount_in_words,
    check_objective,
    find_learning_rate,
    find_warnings,
    prepare,
    train_one,
)

if TYPE_CHECKING:
    from cae.training.range_test import RangeTest


# In a clone it is among the configurations; an installed package has a copy of its own.
_QUICKSTARTS = (
    Path(__file__).parents[2] / "configs" / "quickstart.yaml",
    Path(__file__).parents[1] / "config" / "quickstart.yaml",
)
QUICKSTART = next(path for path in _QUICKSTARTS if path.is_file())


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config",
        nargs="?",
        type=Path,
        default=QUICKSTART,
        help="YAML file; default: the quickstart, on images that come with it",
    )
    add_override_argument(parser)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    mode = parser.add_argument_group("if the run is there already").add_mutually_exclusive_group()
    mode.add_argument(
        "--resume",
        action="store_true",
        help="go on with a run exactly where its checkpoint is; with more training.epochs, for longer",
    )
    mode.add_argument("--overwrite", action="store_true", help="start a run afresh that exists already")
    parser.add_argument(
        "--shard",
        type=Shard.parse,
        metavar="I/N",
        help="of a grid, train every N-th combination, starting with the I-th: N jobs with I from 1 to N train all",
    )
    parser.add_argument(
        "--jobs",
        type=parse_jobs,
        default="auto",
        metavar="auto|N",
        help="of a grid, train so many runs side by side; default: as many as cores, memory and their number allow",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, print the model's plan, write nothing"
    )
    parser.add_argument(
        "--then-evaluate", action="store_true", help="then measure what was trained; of a grid, compare its runs"
    )
    # What a grid gives to each of its runs: what comes next is said once, when all are done.
    parser.add_argument("--of-grid", action="store_true", help=argparse.SUPPRESS)


def run_train(options: argparse.Namespace) -> int:
    """Train, or with --dry-run only check, or with --then-evaluate also measure."""
    if options.then_evaluate and (options.dry_run or options.shard):
        raise ConfigError(
            "--then-evaluate: has no effect with --dry-run, and needs all runs, not those of one --shard."
        )
    config = load_config(options.config, options.overrides)
    job = TrainingJob(config, options.config, options.runs_dir, options.resume, options.overwrite, jobs=options.jobs)
    if options.then_evaluate and config.training.strategy == "multi_worker":
        raise ConfigError(
            "--then-evaluate: is for trainings in one process; measure the run when all workers have ended."
        )
    if config.grid:
        exit_code, trained = _run_grid(job, options), job.experiment
    elif options.shard:
        raise ConfigError(f"--shard: {options.config} has no `grid`, and a single run cannot be split.")
    else:
        job = _with_free_name(job)
        exit_code, trained = _run_one(job, options), job.directory.path
    if exit_code or not options.then_evaluate:
        return exit_code
    return main(["evaluate", as_word(trained), *["--debug"] * options.debug, *["--quiet"] * options.quiet])


def _with_free_name(job: TrainingJob) -> TrainingJob:
    """Give a new run another name where its own is taken; of several processes none can know which the others take."""
    taken = job.directory
    if job.resume or job.overwrite or not taken.exists or job.config.training.strategy == "multi_worker":
        return job
    taken.lock.check_is_free()  # who starts the same twice at a time has hardly meant two trainings
    names = (f"{job.config.name[:120]}-{number}" for number in itertools.count(2))
    name = next(name for name in names if not (job.experiment / name).exists())
    tell(
        f"{taken.path}: this run exists already ({taken.status or 'not finished'}) and is left as it is. The new one is"
        f" called {name}. (--resume goes on with a run, --overwrite starts it afresh.)"
    )
    return replace(job, config=job.config.model_copy(update={"name": name}))


def _run_one(job: TrainingJob, options: argparse.Namespace) -> int:
    directory = job.directory
    if options.dry_run:
        job, plan, splits = prepare(job)
        for warning in find_warnings(job.config, plan, splits):
            tell(str(warning))
        print(format_plan(plan))
        print(f"training       {amount_in_words(job.config, len(splits.train))}")
        return 0
    end = train_one(job)
    if not end.is_chief:
        return end.exit_code
    if end.outcome:
        tell(f"{end.outcome.value}. {_next_step(directory, end.exit_code, options)}")
    print(directory.path)
    return end.exit_code


def _run_grid(job: TrainingJob, options: argparse.Namespace) -> int:
    if options.dry_run:
        combinations = find_grid(job, options.shard)
        plans = check_plans(combinations, job.image_shape_of, job.source, check_objective)
        for combination in combinations:
            if combination.reason:
                tell(f"{combination.config.name}: {combination.reason}")
        print(format_combinations(combinations, plans, find_amounts(job, combinations, plans)))
        for line in describe_tuning(job, options.shard):
            print(line)
        return 0
    passed_on = ["--of-grid", *["--debug"] * options.debug, *["--quiet"] * options.quiet]
    trained, exit_code = train_grid(job, options.shard, program=main, passed_on=passed_on)
    if trained and exit_code in (0, 1) and not options.then_evaluate:
        board = ["tensorboard", "--logdir", job.experiment]
        tell(next_steps(["python", "-m", "cae", "evaluate", job.experiment], board))
    for path in trained:
        print(path)
    return exit_code


def _next_step(directory: RunDirectory, exit_code: int, options: argparse.Namespace) -> str:
    if exit_code:
        return "A checkpoint is written; the same command with --resume goes on from it."
    if options.of_grid or options.then_evaluate:
        return f"In a browser: {directory.page}"
    steps = next_steps(
        ["python", "-m", "cae", "evaluate", directory.path], ["tensorboard", "--logdir", options.runs_dir]
    )
    return f"Reconstructions: {directory.reconstructions}\nIn a browser: {directory.page}\n{steps}"


_KEY = "training.optimizer.learning_rate"


def add_tune_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from cae.training.range_test import HIGHEST, LOWEST, STEPS

    parser.add_argument("config", type=Path, help="YAML file")
    add_override_argument(parser)
    group = parser.add_argument_group("which rates are tried")
    group.add_argument("--lowest", type=float, default=LOWEST, help=f"the first rate; default: {LOWEST:g}")
    group.add_argument("--highest", type=float, default=HIGHEST, help=f"the last rate; default: {HIGHEST:g}")
    group.add_argument("--steps", type=int, default=STEPS, help=f"steps at most, at least 20; default: {STEPS}")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for learning_rate.png and learning_rate.json; default: tuning/EXPERIMENT/NAME",
    )


def run_tune(options: argparse.Namespace) -> int:
    """Test learning rates; prints the suggestion, and last the folder."""
    config = load_config(options.config, options.overrides)
    folder = options.out or Path("tuning") / config.experiment / config.name
    check_is_writable(folder)
    job = TrainingJob(config, options.config, Path("runs"))
    with progress_bar("rates", "step") as show:
        found = find_learning_rate(job, options.lowest, options.highest, options.steps, show)
    with filling_folder(folder) as filled:
        write_json(filled / "learning_rate.json", {"set": config.training.optimizer.learning_rate, **found.as_dict()})
        _save_picture(found, filled / "learning_rate.png", f"{config.experiment}/{config.name}")
    print(f"suggested learning rate: {found.suggestion:g} (a tenth of {found.lowest_at:.2g}, where the loss is lowest)")
    words = [word for override in options.overrides for word in ("--set", override)]
    tell(next_steps(["python", "train.py", options.config, *words, "--set", f"{_KEY}={found.suggestion:g}"]))
    print(folder)
    return 0


def _save_picture(found: RangeTest, path: Path, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(found.rates, found.losses, color="#9fd2f2", label="each step")
    axes.plot(found.rates, found.smoothed, color="#0072B2", label="smoothed")
    axes.axvline(found.suggestion, color="#B34700", label=f"suggested: {found.suggestion:g}")
    # Where the loss explodes at the end, the part that matters would be flat.
    low, high = min(found.smoothed), max(found.smoothed[: found.rates.index(found.lowest_at) + 1])
    axes.set_ylim(low - 0.1 * (high - low), high + 0.3 * (high - low))
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss", title=title)
    axes.legend()
    FigureCanvasAgg(figure).print_png(path, metadata={"Title": f"Learning-rate range test of {title}"})
