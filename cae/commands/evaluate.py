"""`evaluate`: measure trained runs on held-out images."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from cae.commands.planning import load_splits_with_progress
from cae.engine import start_engine
from cae.errors import ConfigError
from cae.runs import RunDirectory, check_is_writable, open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--split", choices=("test", "validation", "train"), default="test", help="default: test")
    parser.add_argument("--out", type=Path, help="folder for the files; default: RUN/evaluation")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="data.KEY=VALUE",
        dest="overrides",
        help="override a key of the data section, for images that are elsewhere now, e.g. data.path=FOLDER",
    )


def run(options: argparse.Namespace) -> int:
    """Evaluate each run; prints a table and the folder of each."""
    if options.out and len(options.runs) > 1:
        raise ConfigError("--out: several runs cannot share one folder; give one RUN, or leave --out away.")
    for override in options.overrides:
        if not override.startswith("data."):
            raise ConfigError(f"--set {override}: only keys of `data` can be changed for a trained run.")
    directories = [open_run(path, tell) for path in options.runs]
    for directory in directories:
        check_is_writable(options.out or directory.evaluation)
    start_engine()
    for directory in directories:
        _evaluate(directory, options)
    return 0


def _evaluate(directory: RunDirectory, options: argparse.Namespace) -> None:
    from cae.data.read_failures import user_errors
    from cae.evaluation.results import evaluate_run
    from cae.runs.trained import load_trained_run

    out = options.out or directory.evaluation
    with user_errors():
        trained = load_trained_run(directory, load_splits_with_progress, options.overrides)
        results = evaluate_run(trained, options.split, out, tell)
    for name, reason in trained.splits.replaced.items():
        tell(f"{name}: another image was taken in its place: {reason}")
    print(format_results(directory.path, results))
    if results["ablations_in_words"]:
        print(results["ablations_in_words"])
    print(out)
    tell(f"Best, median and worst reconstructions: {out / 'reconstructions.png'}")


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


def tell(line: str) -> None:
    """Show a line to the user."""
    print(line, file=sys.stderr, flush=True)
