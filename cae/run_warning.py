"""What makes a run's results doubtful: a word for programs, and a sentence for people that names the remedy.

A sentence is written where the doubt is found: in `cae.training.summary` what training and its images tell, in
`cae.data` what loading and reading images tells (a source puts it into `Splits.warnings`), in `cae.evaluation` what
measuring tells. All of them are in summary.json, in results.json and among the last lines of `train` and `evaluate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

# A stranger's file may hold any number of words; a run has a handful.
_MOST, _LONGEST_CODE, _LONGEST_MESSAGE = 100, 100, 2000

RULE = f"a list of at most {_MOST} objects with `code` and `message`, both short texts"


class RunWarning(NamedTuple):
    """One doubt.

    >>> print(RunWarning("few_steps", "training has 20 steps; raise training.epochs"))
    Warning: training has 20 steps; raise training.epochs
    """

    code: str
    """`few_steps`, `below_mean_image` and so on: the same whatever the numbers are."""
    message: str
    """What was found, with numbers, and which key to change."""

    def __str__(self) -> str:
        return f"Warning: {self.message}"


def as_json(warnings: Iterable[RunWarning]) -> list[dict[str, str]]:
    """For summary.json and results.json, each once.

    >>> as_json([RunWarning("few_steps", "20 steps"), RunWarning("few_steps", "20 steps")])
    [{'code': 'few_steps', 'message': '20 steps'}]
    """
    return [warning._asdict() for warning in dict.fromkeys(warnings)]


def from_json(found: Any) -> list[RunWarning]:
    """Read back what `as_json` made.

    Raises:
        ValueError: it is not `RULE`.
    """
    if not isinstance(found, list) or len(found) > _MOST or not all(map(_is_warning, found)):
        raise ValueError(f"must be {RULE}")
    return [RunWarning(one["code"], one["message"]) for one in found]


def _is_warning(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(found.get(name), str) and len(found[name]) <= longest
        for name, longest in (("code", _LONGEST_CODE), ("message", _LONGEST_MESSAGE))
    )
