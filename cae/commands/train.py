"""`train`: train an autoencoder from a configuration."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

from cae.commands.planning import add_override_argument
from cae.commands.training_order import (
    Order,
    amount_in_words,
    check_objective,
    find_amounts,
    find_grid,
    find_warnings,
    prepare,
    train_grid,
    train_one,
)
from cae.config import ConfigError, load_config
from cae.grid import Shard, check_plans, format_combinations
from cae.messages import next_steps, tell
from cae.plan.table import format_plan
from cae.runs import RunDirectory

# Beside a clone's own there is one within the package, for whoever has installed it.
_QUICKSTARTS = (
    Path(__file__).parents[2] / "configs" / "quickstart.yaml",
    Path(__file__).parents[1] / "config" / "quickstart.yaml",
)
QUICKSTART = next(path for path in _QUICKSTARTS if path.is_file())


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    mode = parser.add_mutually_exclusive_group()
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
        "--dry-run", action="store_true", help="check everything, print the model's plan, write nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Train, or with --dry-run only check."""
    config = load_config(options.config, options.overrides)
    order = Order(config, options.config, options.runs_dir, options.resume, options.overwrite)
    if config.grid:
        return _run_grid(order, options)
    if options.shard:
        raise ConfigError(f"--shard: {options.config} has no `grid`, and a single run cannot be split.")
    return _run_one(_with_free_name(order), options)


def _with_free_name(order: Order) -> Order:
    """Give a new run another name where its own is taken; of several processes none can know which the others take."""
    taken = order.directory
    if order.resume or order.overwrite or not taken.exists or order.config.training.strategy == "multi_worker":
        return order
    taken.lock.check_is_free()  # who starts the same twice at a time has hardly meant two trainings
    names = (f"{order.config.name[:120]}-{number}" for number in itertools.count(2))
    name = next(name for name in names if not (order.experiment / name).exists())
    tell(
        f"{taken.path}: this run exists already ({taken.status or 'not finished'}) and is left as it is. The new one is"
        f" called {name}. (--resume goes on with a run, --overwrite starts it afresh.)"
    )
    return replace(order, config=order.config.model_copy(update={"name": name}))


def _run_one(order: Order, options: argparse.Namespace) -> int:
    directory = order.directory
    if options.dry_run:
        order, plan, splits = prepare(order)
        for warning in find_warnings(order.config, plan, splits):
            tell(str(warning))
        print(format_plan(plan))
        print(f"training       {amount_in_words(order.config, len(splits.train))}")
        return 0
    end = train_one(order)
    if not end.is_chief:
        return end.exit_code
    if end.outcome:
        tell(f"{end.outcome.value}. {_next_step(directory, end.exit_code, options)}")
    print(directory.path)
    return end.exit_code


def _run_grid(order: Order, options: argparse.Namespace) -> int:
    combinations = find_grid(order, options.shard)
    if options.dry_run:
        plans = check_plans(combinations, order.image_shape_of, order.source, check_objective)
        for combination in combinations:
            if combination.reason:
                tell(f"{combination.config.name}: {combination.reason}")
        print(format_combinations(combinations, plans, find_amounts(order, combinations, plans)))
        return 0
    trained, exit_code = train_grid(
        order, combinations, passed_on=["--debug"] * options.debug + ["--quiet"] * options.quiet
    )
    for path in trained:
        print(path)
    return exit_code


def _next_step(directory: RunDirectory, exit_code: int, options: argparse.Namespace) -> str:
    if exit_code:
        return "A checkpoint is written; the same command with --resume goes on from it."
    steps = next_steps(
        ["python", "-m", "cae", "evaluate", directory.path], ["tensorboard", "--logdir", options.runs_dir]
    )
    return f"Reconstructions: {directory.reconstructions}\n{steps}"
