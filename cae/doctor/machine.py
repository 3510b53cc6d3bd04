"""What the machine has: memory, disk space and open files, the processor and its threads, the installed packages."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cae.doctor import Finding, ok, problem, warning
from cae.engine import NEVER, ON_REQUEST, SETTING, VARIABLE
from cae.errors import UserError
from cae.machine import PROGRAM_BYTES, Limits, Machine, available_memory, total_memory
from cae.messages import number_of
from cae.runs import check_is_writable

if TYPE_CHECKING:
    from cae.plan.memory import StepMemory


_GB = 1e9
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


# Of all that processors name, what decides how fast convolutions are; in the order of their age.
_INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_OFF = ("0", "false")


def check_cores(machine: Machine, limits: Limits) -> Finding:
    """How many cores there are to work on."""
    found = number_of(machine.cores, "core")
    if limits.cores is None or limits.cores >= machine.cores:
        return ok("cores", found)
    whole = max(1, math.floor(limits.cores))
    allowed = f"{found}, of which the control group allows the time of {limits.cores:g}"
    if _threads(machine) == whole:
        return ok("cores", f"{allowed}, and as many threads are set")
    # TensorFlow starts a thread for each core that it sees; more than may run at once wait for each other.
    return warning("cores", allowed, f"set OMP_NUM_THREADS={whole} and TF_NUM_INTRAOP_THREADS={whole}")


def check_threads(machine: Machine, limits: Limits) -> Finding:
    """Settings of threads: numbers that can be read, and that neither waste cores nor crowd them."""
    settings = {name: machine.environ[name] for name in _THREAD_SETTINGS if name in machine.environ}
    if not settings:
        return ok("threads", "as many as cores (neither OMP_NUM_THREADS nor TF_NUM_INTRAOP_THREADS is set)")
    shown = ", ".join(f"{name}={value}" for name, value in settings.items())
    numbers = {name: _number(name, value) for name, value in settings.items()}
    wrong = [name for name, number in numbers.items() if number is None]
    if wrong:
        return problem("threads", f"{shown}: must be a whole number", f"unset {' '.join(wrong)}, or set a number")
    set_numbers = [number for number in numbers.values() if number]  # 0 leaves the choice to TensorFlow
    cores = min(machine.cores, math.ceil(limits.cores or machine.cores))
    if any(number < cores for number in set_numbers):
        return warning("threads", f"{shown}, fewer than the {cores} cores", f"unset {' '.join(settings)}")
    if any(number > cores for number in set_numbers):
        return warning("threads", f"{shown}, more than the {cores} cores", f"unset {' '.join(settings)}")
    return ok("threads", shown)


def check_instructions(machine: Machine) -> Finding:
    """Instruction sets; TensorFlow's packages do not start without AVX."""
    flags = _processor_lines(machine, "flags")
    if not flags:
        return ok("instructions", "this system does not tell them")
    have = [name for name in _INSTRUCTIONS if name in flags[0].split()]
    if "avx" not in have:
        return problem("instructions", "no AVX, which TensorFlow's packages need", "use a processor with AVX")
    names = _processor_lines(machine, "model name")
    return ok("instructions", f"{', '.join(have)}{f' ({names[0]})' if names else ''}")


def check_onednn(machine: Machine) -> Finding:
    """The library that makes convolutions fast on a CPU."""
    setting = machine.environ.get("TF_ENABLE_ONEDNN_OPTS")
    if setting is not None and setting.strip().lower() in _OFF:
        slower = "half as fast in float32 on a CPU, and a twentieth in bfloat16"
        return warning("oneDNN", f"off (TF_ENABLE_ONEDNN_OPTS={setting}): {slower}", "unset TF_ENABLE_ONEDNN_OPTS")
    return ok("oneDNN", "on where TensorFlow has it (x86: by default)" if setting is None else f"set to {setting}")


def _threads(machine: Machine) -> int | None:
    """The number that every setting gives that is there."""
    numbers = {_number(name, machine.environ[name]) for name in _THREAD_SETTINGS if name in machine.environ}
    return numbers.pop() if len(numbers) == 1 else None


def _number(name: str, value: str) -> int | None:
    """The threads that a setting asks for, of OpenMP's list for nested levels those of the first; None if wrong."""
    levels = [level.strip() for level in (value.split(",") if name == "OMP_NUM_THREADS" else [value])]
    return int(levels[0]) if all(level.isdecimal() for level in levels) else None


def _processor_lines(machine: Machine, key: str) -> list[str]:
    lines = (machine.read("proc/cpuinfo") or "").splitlines()
    return [line.split(":", 1)[1].strip() for line in lines if line.split(":", 1)[0].strip() == key and ":" in line]


OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 13)


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether TensorFlow and Keras exist for this Python.

    Example:
        >>> check_python((3, 9, 1)).status
        'problem'
    """
    found = ".".join(map(str, version[:3]))
    if OLDEST_PYTHON <= version[:2] <= NEWEST_PYTHON:
        return ok("python", found)
    allowed = f"{OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} to {NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}"
    if version[:2] > NEWEST_PYTHON:
        return warning("python", f"{found} is newer than what was tested, {allowed}", f"use Python {allowed}")
    return problem("python", f"{found} is too old", f"use Python {allowed}")


def check_packages(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> list[Finding]:
    """Every package that the program needs: one line for all that fit, one for each that does not.

    Args:
        requirements: lines such as `keras>=3.15,<3.16`.
        version_of: gives a package's version, or None if it is not there.
    """
    # Part of what pip installs with TensorFlow; where it is missing, TensorFlow's own line says so.
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return [problem("packages", "the package `packaging` is missing", "pip install -r requirements.txt")]
    fitting, findings = [], []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        version = version_of(requirement.name)
        remedy = f"pip install '{requirement.name}{requirement.specifier}'"
        if version is None:
            findings.append(problem("packages", f"{requirement.name} is not installed", remedy))
        elif not requirement.specifier.contains(version, prereleases=True):
            text = f"{requirement.name} {version} is not {requirement.specifier}"
            findings.append(problem("packages", text, remedy))
        else:
            fitting.append(f"{requirement.name} {version}")
    return findings or [ok("packages", ", ".join(fitting))]


def read_requirements(text: str) -> list[str]:
    r"""The lines of a requirements file that name packages.

    Example:
        >>> read_requirements("-r other.txt\nnumpy>=1.26   # arrays\n\n")
        ['numpy>=1.26']
    """
    lines = (line.split("#", 1)[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("-")]
