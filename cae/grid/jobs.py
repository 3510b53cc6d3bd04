"""How many runs are trained side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cae.machine import PROGRAM_BYTES, Machine, available_memory, find_limits, nvidia_devices

Jobs = int | Literal["auto"]

# A process costs seconds before its first step. One that has this many multiply-accumulates to do is worth them; of
# shorter runs it must have so many.
LONG, SHORT_RUNS = 1e12, 3


@dataclass(frozen=True)
class Load:
    """What a run asks of the machine.

    Args:
        macs: multiply-accumulates of its whole training, forwards.
        memory: bytes of a step and of the images that are kept, without the program itself.
    """

    macs: float
    memory: int


def parse_jobs(text: str) -> Jobs:
    """Read `auto` or a number from the command line.

    >>> parse_jobs("auto"), parse_jobs("4")
    ('auto', 4)

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    if text == "auto":
        return "auto"
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 1024:
        return int(text)
    raise argparse.ArgumentTypeError(f"must be auto, or a whole number from 1 to 1024. Received: {text}")


def choose_jobs(jobs: Jobs, loads: Sequence[Load], machine: Machine) -> int:
    """How many runs are trained side by side.

    `auto` is as many as there are cores, as fit into the memory that is available, and as are worth a process of their
    own. It is one on a machine with a GPU, which a run has for itself, and all of them.

    Args:
        jobs: what is asked for.
        loads: of all runs that are to be trained.
        machine: this one.
    """
    if jobs != "auto":
        return max(1, min(jobs, len(loads)))
    if has_gpu(machine) or not loads:
        return 1
    limits = find_limits(machine)
    available = available_memory(machine, limits)
    heaviest = max(load.memory for load in loads) + PROGRAM_BYTES
    fitting = len(loads) if available is None else available // heaviest
    num_long = sum(load.macs >= LONG for load in loads)
    worth = num_long + (len(loads) - num_long) // SHORT_RUNS
    return max(1, min(int(min(machine.cores, limits.cores or machine.cores)), fitting, worth))


def has_gpu(machine: Machine) -> bool:
    """Whether there is a GPU that is not hidden from TensorFlow."""
    return bool(nvidia_devices(machine)) and machine.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() not in ("", "-1")


def threads_for(jobs: int, machine: Machine) -> dict[str, str]:
    """Settings that divide the cores between processes side by side; the user's own stay."""
    limits = find_limits(machine)
    threads = max(1, int(min(machine.cores, limits.cores or machine.cores)) // jobs)
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return {name: machine.environ.get(name, str(threads)) for name in names}
