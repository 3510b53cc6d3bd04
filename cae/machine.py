"""The machine: its system files, what a container or a batch system allows of it, and its memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

# What the libraries, the graph and batches in waiting take beside a training step; measured, rounded up.
PROGRAM_BYTES = 900_000_000


@dataclass(frozen=True)
class Machine:
    """Where to look: environment variables, the system's own files, cores.

    Args:
        environ: environment variables.
        root: what /proc, /sys and /dev lie in.
        cores: processor cores that this process may use.
    """

    environ: Mapping[str, str]
    root: Path
    cores: int

    def read(self, path: str) -> str | None:
        """A file of the system, or None where there is none, as on other systems than Linux.

        Args:
            path: without the leading slash.
        """
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None


def this_machine() -> Machine:
    """The machine that the program runs on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(os.environ, Path("/"), cores)


@dataclass(frozen=True)
class Limits:
    """What a container or a batch system allows; None where it sets no limit.

    Args:
        cores: processor time, in cores.
        memory: bytes.
        memory_used: bytes of these that are taken already.
    """

    cores: float | None = None
    memory: int | None = None
    memory_used: int = field(default=0)


def find_limits(machine: Machine) -> Limits:
    """Read the control group's limits, its own and those of the groups it lies in, versions 1 and 2.

    Example:
        >>> find_limits(Machine({}, Path("/nowhere"), 4))
        Limits(cores=None, memory=None, memory_used=0)
    """
    groups = _groups(machine)
    cores = [limit for group in groups for limit in (_cores_2(machine, group), _cores_1(machine, group)) if limit]
    memory = [limit for group in groups for limit in _memory(machine, group) if limit]
    least = min(memory, default=(None, 0))
    return Limits(min(cores, default=None), *least)


def total_memory(machine: Machine) -> int | None:
    """Bytes that the machine has; None where unknown."""
    return _meminfo(machine).get("MemTotal")


def available_memory(machine: Machine, limits: Limits) -> int | None:
    """Bytes that can still be had, of the machine's and of the control group's; None where unknown."""
    system = _meminfo(machine).get("MemAvailable")
    group = None if limits.memory is None else max(0, limits.memory - limits.memory_used)
    return min((size for size in (system, group) if size is not None), default=None)


def held_memory(machine: Machine) -> int | None:
    """Bytes that this process holds; None where unknown."""
    pages = (machine.read("proc/self/statm") or "").split()[1:2]
    return int(pages[0]) * os.sysconf("SC_PAGE_SIZE") if pages else None


def nvidia_devices(machine: Machine) -> list[str]:
    """Names of the GPUs that a driver of Nvidia's has found in the machine."""
    return sorted(path.name for path in (machine.root / "dev").glob("nvidia[0-9]*"))


def _meminfo(machine: Machine) -> dict[str, int]:
    """Bytes by name."""
    pairs = (line.split() for line in (machine.read("proc/meminfo") or "").splitlines())
    return {words[0].rstrip(":"): 1024 * int(words[1]) for words in pairs if len(words) > 1 and words[1].isdigit()}


def _groups(machine: Machine) -> list[str]:
    """Paths of the process' control groups and those above them, `""` the topmost."""
    paths = {""}
    for line in (machine.read("proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)[-1].strip("/").split("/")
        # Inside of a container the path may be the host's, of which only the top is to be seen.
        paths |= {"/".join(parts[:number]) for number in range(1, len(parts) + 1) if parts[0]}
    return sorted(paths)


def _cores_2(machine: Machine, group: str) -> float | None:
    words = (machine.read(f"sys/fs/cgroup/{group}/cpu.max") or "").split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0] != "max" else None


def _cores_1(machine: Machine, group: str) -> float | None:
    quota, period = (_number(machine, f"sys/fs/cgroup/cpu/{group}/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return quota / period if quota and period and quota > 0 else None


def _memory(machine: Machine, group: str) -> list[tuple[int, int] | None]:
    found: list[tuple[int, int] | None] = []
    for folder, most, used, file_pages in (
        (f"sys/fs/cgroup/{group}", "memory.max", "memory.current", "inactive_file"),
        (f"sys/fs/cgroup/memory/{group}", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number(machine, f"{folder}/{most}")
        # Pages of files that were read count as used, and are given back when memory is asked for.
        lines = (line.split() for line in (machine.read(f"{folder}/memory.stat") or "").splitlines())
        given_back = next((int(words[1]) for words in lines if words[:1] == [file_pages] and words[1].isdigit()), 0)
        taken = max(0, (_number(machine, f"{folder}/{used}") or 0) - given_back)
        # Version 1 writes "no limit" as a number near 2^63.
        found.append((limit, taken) if limit and limit < 2**60 else None)
    return found


def _number(machine: Machine, path: str) -> int | None:
    text = (machine.read(path) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None
