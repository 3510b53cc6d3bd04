"""`train`: train an autoencoder from a configuration."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cae.commands.planning import load_splits_with_progress, plan_for
from cae.config import ConfigError, RunConfig, load_config
from cae.engine import start_engine
from cae.plan import Plan
from cae.plan.table import format_plan
from cae.runs import RunDirectory, check_is_writable

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "config", nargs="?", type=Path, default=QUICKSTART, help="YAML file; default: configs/quickstart.yaml"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one dotted key, e.g. model.decoder.upsampling.kind=max_unpool; repeatable",
    )
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="where runs are kept; default: runs")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--resume", action="store_true", help="go on with a run exactly where its checkpoint is")
    mode.add_argument("--overwrite", action="store_true", help="start a run afresh that exists already")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, print the model's plan, write nothing"
    )


def run(options: argparse.Namespace) -> int:
    """Train, or with --dry-run only check."""
    config = load_config(options.config, options.overrides)
    if config.grid:
        raise ConfigError(f"{options.config}: grid: several runs from one file are not available in this version.")
    directory = RunDirectory(options.runs_dir / config.experiment / config.name)
    if not options.dry_run:
        if _is_done(directory, config, options):
            print(directory.path)
            return 0
        check_is_writable(directory.path)
    splits = load_splits_with_progress(config.data)
    plan = plan_for(config, splits.image_shape, options.config)
    start_engine(deterministic=config.training.deterministic)
    from cae.training.objective import Objective

    try:
        Objective(config.objective).check_image_shape(plan.image_shape)
    except ConfigError as error:
        raise ConfigError(f"{options.config}: {error}") from error
    if options.dry_run:
        if directory.exists and not (options.resume or options.overwrite):
            tell(f"{directory.path}: this run exists already; training needs --resume or --overwrite.")
        print(format_plan(plan))
        return 0
    from cae.training.train import Training

    tell(_headline(config, plan))
    outcome, exit_code = Training(config, plan, splits, directory, tell).train(resume=options.resume)
    tell(f"{outcome.value}. {_next_step(directory, exit_code, options)}")
    print(directory.path)
    return exit_code


def tell(line: str) -> None:
    """Show a line to the user."""
    print(line, file=sys.stderr, flush=True)


def _is_done(directory: RunDirectory, config: RunConfig, options: argparse.Namespace) -> bool:
    """Whether there is nothing left to train; refuses what must not be touched."""
    if options.resume and directory.exists:
        _check_same_config(directory, config)
        if directory.status in ("finished", "stopped_early"):
            tell(f"{directory.path}: {directory.status} already; nothing to resume.")
            return True
    elif not options.overwrite:
        directory.check_is_free()
    directory.check_holds_nothing_else()
    return False


def _check_same_config(directory: RunDirectory, config: RunConfig) -> None:
    stored, wanted = load_config(directory.config).model_dump(), config.model_dump()
    different = _differences("", stored, wanted)
    if different:
        raise ConfigError(
            f"{directory.config}: --resume goes on with the same configuration. Different now:\n  "
            + "\n  ".join(different)
        )


def _differences(prefix: str, stored: object, wanted: object) -> list[str]:
    if stored == wanted:
        return []
    if isinstance(stored, dict) and isinstance(wanted, dict):
        keys = [*stored, *(key for key in wanted if key not in stored)]
        return [
            line
            for key in keys
            for line in _differences(f"{prefix}.{key}".lstrip("."), stored.get(key), wanted.get(key))
        ]
    return [f"{prefix}: was {stored!r}, is {wanted!r}"]


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
