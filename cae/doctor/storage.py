"""The disk that runs are written to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from cae.doctor.finding import Finding, ok, problem, warning
from cae.errors import UserError
from cae.runs import check_is_writable

_LITTLE = 1_000_000_000
# Two checkpoints are kept, a third is being written; and the best weights, kept and being written.
_CHECKPOINTS_AT_ONCE, _WEIGHT_FILES_AT_ONCE = 3, 2


def check_runs_folder(runs_dir: Path) -> Finding:
    """Whether runs can be written there."""
    try:
        check_is_writable(runs_dir)
    except UserError as error:
        return problem(
            "runs folder", str(error).rstrip("."), "give another folder with --runs-dir, or change its rights"
        )
    return ok("runs folder", f"{runs_dir} can be written")


def check_disk(runs_dir: Path, needed: int | None = None) -> Finding:
    """Whether there is room for runs.

    Args:
        runs_dir: need not exist yet.
        needed: bytes that a run's checkpoints will take, where the model is known.
    """
    free = shutil.disk_usage(_nearest(runs_dir)).free
    found = f"{free / 1e9:,.1f} GB free at {runs_dir}"
    if needed is not None:
        found += f"; checkpoints of a run take up to {needed / 1e6:,.1f} MB"
        if free < needed:
            return problem("disk", found, "delete what is not needed, or give another folder with --runs-dir")
    if free < max(_LITTLE, 2 * (needed or 0)):
        return warning("disk", found, "delete what is not needed: pictures, curves and checkpoints of a run add up")
    return ok("disk", found)


def checkpoint_bytes(parameters: int, optimizer_slots: int) -> int:
    """The most that a run's checkpoints and weights take on the disk at one time.

    A checkpoint holds weights, what the optimizer keeps of each, and the best epoch's weights, float32.

    Example:
        >>> checkpoint_bytes(1_000_000, optimizer_slots=2)
        56000000
    """
    return 4 * parameters * (_CHECKPOINTS_AT_ONCE * (2 + optimizer_slots) + _WEIGHT_FILES_AT_ONCE)


def _nearest(folder: Path) -> Path:
    folder = Path(os.path.abspath(folder))
    while not folder.exists():
        folder = folder.parent
    return folder
