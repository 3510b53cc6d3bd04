"""Which runs a command line means: run directories, or experiments with all that is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from cae.errors import UserError
from cae.runs import RunDirectory, open_run


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
    """Whatever was begun in it; a name with a dot in front is a run that is being replaced."""
    folders = (RunDirectory(folder) for folder in sorted(experiment.iterdir()) if not folder.name.startswith("."))
    return [run for run in folders if run.exists]


def _is_by_product(path: Path) -> bool:
    if path.name.startswith("events.out.tfevents.") and path.is_file():
        return True
    # `--out` may have put a comparison into a run or an experiment.
    return (path / "comparison.json").exists() and not (RunDirectory(path).exists or _runs_in(path))
