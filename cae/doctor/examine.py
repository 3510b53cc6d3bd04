"""The checks that need no configuration, in the order of the report."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from cae.doctor import Finding
from cae.doctor.engine import Engine, check_cluster, check_engine, check_gpu_memory, check_gpus
from cae.doctor.machine import (
    check_allocator,
    check_cores,
    check_instructions,
    check_memory,
    check_onednn,
    check_open_files,
    check_packages,
    check_python,
    check_runs_folder,
    check_shared_memory,
    check_threads,
    read_requirements,
)
from cae.machine import Limits, Machine

_REQUIREMENTS = Path(__file__).parents[2] / "requirements.txt"


def examine_program() -> list[Finding]:
    """Python and the packages."""
    return [check_python(sys.version_info[:3]), *check_packages(_requirements(), _version_of)]


def examine_machine(machine: Machine, limits: Limits, runs_dir: Path) -> list[Finding]:
    """What can be seen without starting TensorFlow.

    Args:
        machine: where to look.
        limits: of its control group.
        runs_dir: where runs are to be written.
    """
    checks: Iterable[Callable[[], Finding]] = (
        lambda: check_cores(machine, limits),
        lambda: check_instructions(machine),
        lambda: check_threads(machine, limits),
        lambda: check_onednn(machine),
        lambda: check_allocator(machine),
        lambda: check_memory(machine, limits),
        lambda: check_open_files(_open_files_limit()),
        check_cluster,
        lambda: check_runs_folder(runs_dir),
    )
    return [check() for check in checks]


def examine_engine(engine: Engine, machine: Machine, gpu_memory: list[tuple[int, int]]) -> list[Finding]:
    """TensorFlow, as the trial found it, and GPUs.

    Args:
        engine: what the trial found.
        machine: where to look for GPUs that it did not find.
        gpu_memory: free and total bytes of each GPU.
    """
    findings = [check_engine(engine), check_gpus(engine, machine)]
    if engine.gpus and gpu_memory:
        findings.append(check_gpu_memory(gpu_memory))
    return [*findings, check_shared_memory(_free_shared_memory(machine), len(engine.gpus))]


def _requirements() -> list[str]:
    """From the checkout's file, or else from the installed package."""
    if _REQUIREMENTS.exists():
        return read_requirements(_REQUIREMENTS.read_text(encoding="utf-8"))
    return importlib.metadata.requires("cae") or []


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _open_files_limit() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _free_shared_memory(machine: Machine) -> int | None:
    folder = machine.root / "dev" / "shm"
    return shutil.disk_usage(folder).free if folder.is_dir() else None
