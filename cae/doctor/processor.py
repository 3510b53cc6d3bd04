"""The processor, its threads, and the installed packages."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from cae.doctor.finding import Finding, ok, problem, warning
from cae.machine import Limits, Machine

# Of all that processors name, what decides how fast convolutions are; in the order of their age.
_INSTRUCTIONS = ("avx", "avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16")
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_OFF = ("0", "false")


def check_cores(machine: Machine, limits: Limits) -> Finding:
    """How many cores there are to work on."""
    found = f"{machine.cores} core{'s' * (machine.cores != 1)}"
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
