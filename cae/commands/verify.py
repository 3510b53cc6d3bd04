"""`verify`: hold the files of runs against the checksums that were written with them."""

from __future__ import annotations

import argparse
from pathlib import Path

from cae.errors import UserError
from cae.files import printable
from cae.messages import number_of, tell
from cae.runs import RunDirectory
from cae.runs.checksums import NAME, Finding, verify


def add_verify_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run directory")
    parser.add_argument("--all", action="store_true", help="show the files that are as they were, too, one a line")


def run_verify(options: argparse.Namespace) -> int:
    """Verify runs; prints a line for each file that is not as it was, and one for each run.

    Exit code 1 where a file is changed or missing, or a run cannot be read.
    """
    return max([_verify(RunDirectory(path), show_all=options.all) for path in options.runs])


def _verify(directory: RunDirectory, *, show_all: bool) -> int:
    path = printable(directory.path)
    if not directory.exists:
        raise UserError(f"{path}: is not a run (there is no config.yaml in it).")
    if holder := directory.lock.holder():
        raise UserError(f"{path}: is being trained by {holder}; its files are changing.")
    findings = verify(directory.path, without=directory.added_later)
    if findings is None:
        return _look(directory)
    evaluation = verify(directory.evaluation, without=["projector"]) or []
    findings += [Finding(f"{directory.evaluation.name}/{one.name}", one.state, one.note) for one in evaluation]
    if directory.evaluation.is_dir() and not evaluation:
        tell(f"{printable(directory.evaluation)}: has no checksums; `evaluate --again` writes them.")
    for finding in findings:
        if show_all or finding.state != "ok":
            print(f"{finding.state:8}{path}/{printable(finding.name)}" + (f" ({finding.note})" * bool(finding.note)))
    counts = {state: sum(one.state == state for one in findings) for state in ("ok", "changed", "missing", "unknown")}
    print(f"{path}: " + ", ".join(f"{count:,} {state}" for state, count in counts.items()))
    return int(bool(counts["changed"] or counts["missing"]))


def _look(directory: RunDirectory) -> int:
    """Look at a run without checksums, as far as one can without."""
    from cae.config import load_config
    from cae.engine import start_engine
    from cae.plan import make_plan
    from cae.runs.trained import load_autoencoder
    from cae.training.checkpoints import CheckpointFolder

    path = printable(directory.path)
    reason = "version 0.1.0 wrote none, or it was removed" if directory.has_ended else "training has not ended"
    tell(f"{path}: has no {NAME} ({reason}). Its files are read instead, which finds less.")
    config = load_config(directory.config)
    directory.read_environment()
    rows = directory.read_metrics()
    found = [f"{number_of(len(rows), 'epoch')} in {directory.metrics.name}"]
    shape = directory.read_summary().get("image_shape") if directory.summary.exists() else None
    start_engine()
    if directory.weights.exists() and shape:
        load_autoencoder(directory, config, make_plan(config.model, tuple(shape)))
        found.append("weights that fit the plan")
    elif directory.weights.exists():
        found.append(f"weights, which were not read: only {directory.summary.name} tells the images' shape")
    if (checkpoint := CheckpointFolder(directory.checkpoints).load_newest(tell)) is not None:
        found.append(f"a whole checkpoint of step {checkpoint.step:,}")
    print(f"{path}: can be read: config.yaml, {', '.join(found)}")
    return 0
