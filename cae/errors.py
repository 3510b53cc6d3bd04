"""Errors you can fix, shown as one message and never as a traceback; and warnings of what makes a run doubtful."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple


class UserError(Exception):
    """Something in the data, the files or the run is wrong; the message says what, where and what is allowed."""

    exit_code = 1


class ConfigError(UserError):
    """The command line or the configuration is wrong; the message may have one line for each problem."""

    exit_code = 2


class NonFiniteOutputError(UserError):
    """A network gave infinity or not-a-number, of which nothing can be made.

    Args:
        run: whose network it is.
        what: the network gave.
        index: of the first image concerned.
        name: what this image is called; None for its index.
    """

    def __init__(self, run: str, what: str, index: int, name: str | None = None) -> None:
        called = str(index) if name is None else name
        image = f"image {called}" if called.isdigit() else called
        super().__init__(
            f"{run}: {what} {image} has values that are infinite or not a number: the weights are so"
            " large that the computation overflows. Train again, with a lower training.optimizer.learning_rate or with"
            " training.precision: float32."
        )
        self._run, self._what, self.index = run, what, index

    def at(self, index: int) -> NonFiniteOutputError:
        """The same error for a caller who counts images otherwise."""
        return NonFiniteOutputError(self._run, self._what, index)

    def named(self, name: str) -> NonFiniteOutputError:
        """The same error with the image's name."""
        return NonFiniteOutputError(self._run, self._what, self.index, name)


_STYLES = re.compile("\x1b" r"\[[0-9;]*m")


def first_line(error: BaseException) -> str:
    r"""What a library says in an error: its first line; where Keras tells of another error, that one's.

    >>> first_line(ValueError("Exception encountered when calling B.call().\n\nError encountered:\n\nboom\n"))
    'boom'
    >>> first_line(MemoryError())
    'MemoryError'
    """
    told = _STYLES.sub("", str(error)).rpartition("Error encountered:")[2]
    return (told.strip().splitlines() or [type(error).__name__])[0]


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
