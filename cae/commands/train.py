"""`train`: train an autoencoder from a configuration."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from cae.commands.messages import tell
from cae.commands.planning import add_override_argument, load_splits_with_progress, plan_for
from cae.config import ConfigError, RunConfig, expand_grid, load_config
from cae.engine import start_engine
from cae.grid import (
    Shard,
    check_plans,
    find_combinations,
    format_combinations,
    match_parameters,
    train_combinations,
)
from cae.plan import Plan
from cae.plan.table import format_plan
from cae.runs import RunDirectory, check_is_writable
from cae.runs.begun import is_done
from cae.training.cluster import Cluster, find_cluster

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", nargs="?", type=Path, default=QUICKSTART, help="YAML file; default: configs/quickstart.yaml"
    )
    add_override_argument(parser)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on with a run exactly where its checkpoint is")
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
    if config.grid:
        return _run_grid(config, options)
    if options.shard:
        raise ConfigError(f"--shard: {options.config} has no `grid`, and a single run cannot be split.")
    return _run_one(config, options)


def _run_one(config: RunConfig, options: argparse.Namespace) -> int:
    directory = RunDirectory(options.runs_dir / config.experiment / config.name)
    cluster = _find_cluster(config, options)
    is_chief = cluster is None or cluster.is_chief
    if not is_chief and options.resume and directory.status in ("finished", "stopped_early"):
        return 0  # as the chief says
    if is_chief and not options.dry_run:
        directory.lock.check_is_free()
        if _is_done(config, directory, options):
            return 0
        check_is_writable(directory.path)
    splits = load_splits_with_progress(config.data)
    plan = plan_for(config, splits.image_shape, options.config)
    try:
        _check_objective(config, plan.image_shape)
    except ConfigError as error:
        raise ConfigError(f"{options.config}: {error}") from error
    if options.dry_run:
        if directory.exists and not (options.resume or options.overwrite):
            tell(f"{directory.path}: this run exists already; training needs --resume or --overwrite.")
        print(format_plan(plan))
        return 0
    if not is_chief:
        from cae.training.train import Training

        return Training(config, plan, splits, directory, tell, cluster).train(resume=options.resume)[1]
    with directory.lock.held(tell):
        # Looked at again, since another process may have trained the run while this one read its images.
        if _is_done(config, directory, options):
            return 0
        return _train(config, plan, splits, directory, cluster, options)


def _find_cluster(config: RunConfig, options: argparse.Namespace) -> Cluster | None:
    """The processes that train together; None for this one alone, and where nothing is trained."""
    if config.training.strategy != "multi_worker" or options.dry_run:
        return None
    start_engine(deterministic=config.training.deterministic)
    return find_cluster()


def _is_done(config: RunConfig, directory: RunDirectory, options: argparse.Namespace) -> bool:
    if not is_done(directory, config, resume=options.resume, overwrite=options.overwrite):
        return False
    tell(f"{directory.path}: {directory.status} already; nothing to resume.")
    print(directory.path)
    return True


def _train(
    config: RunConfig,
    plan: Plan,
    splits: Splits,
    directory: RunDirectory,
    cluster: Cluster | None,
    options: argparse.Namespace,
) -> int:
    from cae.training.train import Training

    tell(_headline(config, plan))
    outcome, exit_code = Training(config, plan, splits, directory, tell, cluster).train(resume=options.resume)
    tell(f"{outcome.value}. {_next_step(directory, exit_code, options)}")
    print(directory.path)
    return exit_code


def _run_grid(config: RunConfig, options: argparse.Namespace) -> int:
    """Train the combinations of this shard, each in a process of its own; this one stays small."""
    configs = expand_grid(config)
    if any(combination.training.strategy == "multi_worker" for combination in configs):
        raise ConfigError(
            f"{options.config}: training.strategy: multi_worker trains a single run; a grid is divided between"
            " machines by --shard I/N, see docs/scaling.md."
        )
    image_shape_of = functools.cache(_load_image_shape)
    if config.match == "parameters":
        configs = match_parameters(configs, image_shape_of, options.config)
    if options.shard:
        configs = options.shard.part(configs)
    combinations = find_combinations(configs, options.runs_dir, overwrite=options.overwrite)
    if options.dry_run:
        plans = check_plans(combinations, image_shape_of, options.config, _check_objective)
        for combination in combinations:
            if combination.reason:
                tell(f"{combination.config.name}: {combination.reason}")
        print(format_combinations(combinations, plans))
        return 0
    pending = [combination for combination in combinations if combination.is_pending]
    for combination in pending:
        check_is_writable(combination.directory.path)
    check_plans(pending, image_shape_of, options.config)
    trained, exit_code = train_combinations(
        combinations, options.runs_dir, overwrite=options.overwrite, debug=options.debug, tell=tell
    )
    for path in trained:
        print(path)
    return exit_code


def _load_image_shape(section: DataSection) -> tuple[int, int, int]:
    """Find the images and let go of them: only their shape is kept while others train on them."""
    return load_splits_with_progress(section).image_shape


def _check_objective(config: RunConfig, image_shape: tuple[int, int, int]) -> None:
    """Start the engine, and refuse images that are too small for a term of the objective."""
    start_engine(deterministic=config.training.deterministic)
    from cae.training.objective import Objective

    Objective(config.objective).check_image_shape(image_shape)


def _headline(config: RunConfig, plan: Plan) -> str:
    kinds = dict.fromkeys(upsampling.kind for upsampling in config.model.upsampling_per_stage)
    return (
        f"Training {config.experiment}/{config.name}: {plan.parameters:,} parameters,"
        f" {plan.macs / 1e6:,.1f} million MACs an image, code of {plan.code.values:,} values,"
        f" upsampling {', '.join(kinds)}."
    )


def _next_step(directory: RunDirectory, exit_code: int, options: argparse.Namespace) -> str:
    if exit_code:
        return "A checkpoint is written; the same command with --resume goes on from it."
    return (
        f"Reconstructions: {directory.reconstructions}\n"
        f"Next: python evaluate.py {directory.path}\n"
        f"      tensorboard --logdir {options.runs_dir}"
    )
