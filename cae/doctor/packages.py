"""Python and the packages, against what the program asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cae.doctor.finding import Finding, ok, problem, warning

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
