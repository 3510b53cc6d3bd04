"""Which runs a command line means: run directories, or experiments with all that is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cae.errors import UserError
from cae.runs import RunDirectory, open_run


def find_runs(paths: Sequence[Path], tell: Callable[[str], None]) -> list[RunDirectory]:
    """Open the runs that paths lead to, each once, in the order given; those of an experiment by their names.

    A folder without config.yaml is an experiment: its sub-folders that are runs with weights are taken, others are
    left out. Beside runs, an earlier comparison's folder and event files are passed over, as `EXPERIMENT/*` has them.

    Args:
        paths: run directories and experiments.
        tell: shows a line to the user.

    Raises:
        UserError: a path leads to no run.
    """
    found: dict[Path, RunDirectory] = {}
    for path in paths:
        if len(paths) > 1 and _is_no_input(path):
            continue
        for run in _runs_at(path, tell):
            found.setdefault(run.path.resolve(), run)
    if not found:
        raise UserError(f"{', '.join(map(str, paths))}: there are no runs to evaluate.")
    return list(found.values())


def _runs_at(path: Path, tell: Callable[[str], None]) -> list[RunDirectory]:
    if RunDirectory(path).exists or not path.is_dir():
        return [open_run(path, tell)]
    runs = []
    for folder in sorted(path.iterdir()):
        run = RunDirectory(folder)
        if folder.name.startswith(".") or not run.exists:
            continue
        if run.weights.exists():
            runs.append(open_run(folder, tell))
        else:
            tell(f"{folder}: left out, since it has no model.weights.h5 yet.")
    if not runs:
        raise UserError(f"{path}: is neither a run (there is no config.yaml in it) nor a folder of trained runs.")
    return runs


def _is_no_input(path: Path) -> bool:
    return (path / "comparison.json").exists() or path.name.startswith("events.out.tfevents.")
