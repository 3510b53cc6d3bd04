"""Memory, open files and disk space."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from cae.doctor.finding import Finding, ok, problem, warning
from cae.errors import UserError
from cae.huge_pages import NEVER, ON_REQUEST, SETTING, VARIABLE
from cae.machine import Limits, Machine, available_memory, total_memory
from cae.runs import check_is_writable

if TYPE_CHECKING:
    from cae.plan.memory import StepMemory


_GB = 1e9
# What the libraries, the graph and batches in waiting take beside the step; measured, rounded up.
PROGRAM_BYTES = 900_000_000
_FASTER_ALLOCATORS = ("tcmalloc", "jemalloc", "mimalloc")
_LEAST_OPEN_FILES = 1024
_LEAST_SHARED_MEMORY = 64_000_000


def check_memory(machine: Machine, limits: Limits) -> Finding:
    """Whether the program itself fits."""
    available = available_memory(machine, limits)
    if available is None:
        return ok("memory", "this system does not tell how much there is")
    total = total_memory(machine) or available
    found = f"{available / _GB:.1f} GB available of {total / _GB:.1f} GB"
    if limits.memory is not None and limits.memory < total:
        found += f"; the control group allows {limits.memory / _GB:.1f} GB"
    if available < PROGRAM_BYTES:
        return problem("memory", found, f"the program alone needs {PROGRAM_BYTES / _GB:.1f} GB: end other programs")
    if available < 2 * PROGRAM_BYTES:
        return warning("memory", found, "end other programs, or keep to small models and batches")
    return ok("memory", found)


def check_step_memory(step: StepMemory, batch_size: int, available: int | None, where: str = "memory") -> Finding:
    """Whether a training step fits into what is available."""
    need = step.total + PROGRAM_BYTES
    found = f"about {step.activations / 1e6:,.0f} MB of activations at batch size {batch_size}"
    if available is None:
        return ok("step memory", found)
    found += f", {need / _GB:.1f} GB with weights and libraries, of {available / _GB:.1f} GB of {where}"
    fitting = int(batch_size * max(0, available * 0.8 - PROGRAM_BYTES - step.weights) // max(1, step.activations))
    remedy = (
        f"set training.batch_size to at most {fitting}, or make images or model smaller"
        if fitting
        else "make images or model smaller"
    )
    if need > available:
        return problem("step memory", found, remedy)
    if need > 0.8 * available:
        return warning("step memory", found, remedy)
    return ok("step memory", found)


def check_allocator(machine: Machine) -> Finding:
    """Which library hands out memory, and whether in large pages."""
    names = f"{machine.environ.get('LD_PRELOAD', '')} {machine.read('proc/self/maps') or ''}"
    faster = [name for name in _FASTER_ALLOCATORS if name in names]
    if faster:
        return ok("allocator", faster[0])
    pages = machine.read(str(SETTING).lstrip("/")) or ""
    if ON_REQUEST in pages and VARIABLE not in machine.environ:
        return ok("allocator", "the system's; `train` has it ask for large pages of memory")
    if NEVER in pages:
        return ok(
            "allocator", "the system's; with large pages, which are turned off here, steps are a few percent faster"
        )
    return ok("allocator", "the system's")


def check_open_files(limit: int | None) -> Finding:
    """The most files that may be open at once."""
    if limit is None:
        return ok("open files", "no limit is known")
    if limit < _LEAST_OPEN_FILES:
        return warning("open files", f"at most {limit}", f"ulimit -n {_LEAST_OPEN_FILES} or more")
    return ok("open files", f"at most {limit:,}")


def check_shared_memory(free: int | None, num_gpus: int) -> Finding:
    """What several GPUs exchange gradients through."""
    if free is None:
        return ok("/dev/shm", "there is none, and none is needed on one device")
    found = f"{free / 1e6:,.0f} MB free"
    if num_gpus > 1 and free < _LEAST_SHARED_MEMORY:
        return warning(
            "/dev/shm", f"{found}, little for {num_gpus} GPUs", "docker run --shm-size=1g, or a larger mount"
        )
    return ok("/dev/shm", found)


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
