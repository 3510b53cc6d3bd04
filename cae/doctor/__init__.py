"""What may stand in the way of training on this machine, found out in seconds; one small function for each check.

Nothing is taken from the running process but what a `Machine` gives, so that every check can be tried on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warning", "problem"]
_WORST_LAST: tuple[Status, ...] = ("ok", "warning", "problem")


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Args:
        check: its name.
        status: `ok`, `warning` (training works, but slowly or at a risk) or `problem` (training will fail).
        found: what was found, without a full stop.
        remedy: what to do about it; always there with a problem.
    """

    check: str
    status: Status
    found: str
    remedy: str | None = None


def ok(check: str, found: str) -> Finding:
    """Nothing to do."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """Training works, but slowly or at a risk."""
    return Finding(check, "warning", found, remedy)


def problem(check: str, found: str, remedy: str) -> Finding:
    """Training will fail."""
    return Finding(check, "problem", found, remedy)


def worst(findings: Sequence[Finding]) -> Status:
    """The status of all findings together.

    Example:
        >>> worst([ok("disk", "100 GB free"), warning("threads", "1 of 8", "unset OMP_NUM_THREADS")])
        'warning'
    """
    return max((finding.status for finding in findings), key=_WORST_LAST.index, default="ok")


def format_finding(finding: Finding) -> str:
    """One line.

    Example:
        >>> format_finding(warning("threads", "1 of 8 cores", "unset OMP_NUM_THREADS"))
        'warning  threads        1 of 8 cores; to mend it: unset OMP_NUM_THREADS'
    """
    remedy = f"; to mend it: {finding.remedy}" if finding.remedy else ""
    text = f"{finding.found}{remedy}".replace("\n", " | ")
    return f"{finding.status:7}  {finding.check:13}  {text}"


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """For programs: the worst status, and every finding."""
    return {"status": worst(findings), "checks": [asdict(finding) for finding in findings]}
