"""What commands say, in the words of Python: `resume=True` for `--resume`."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ParamSpec, TextIO, TypeVar, cast

from cae.errors import UserError
from cae.messages import LastingText, Lines

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS = re.compile(r"--(resume|overwrite|again|quantize)\b")
_VALUE = r"\{.*?\}+|\[.*?\]|[^\s,;]*[^\s,;.:]"
_SETTING = rf"--set ([\w.]+=(?:{_VALUE}))"
_QUOTED = re.compile(r"--set '([\w.]+=[^']*)'")  # for a shell
_SETTINGS = re.compile(rf"{_SETTING}(?: {_SETTING})*")
# In front of a problem, where a value may be of several words.
_PLACE = re.compile(r"^--set ([\w.]+=(?:\{.*?\}|\[.*?\]|.*?))(?=: )")
_CHOSEN = re.compile(r"--(format|fit|pool|on-bad-image) (\w+)")
_JOBS = re.compile(r"--jobs (\d+)")
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
_NAMES = {"set": "overrides", "data": "data.source and data.path", "native": 'size="native"', "tile": 'size="tile"'}
_PLACEHOLDERS = re.compile(r"\b(INPUT|OUT)\b(?= or | must |;)")
_TYPED = r"\b(?:python -m|python \S+\.py|tensorboard --|pip install|srun)\b"
_COMMAND = re.compile(rf"(`[^`]*{_TYPED}[^`]*`|{_TYPED}.*)")


def in_python(text: str) -> str:
    """Say in Python what is said of the command line; commands that can be typed stay as they are.

    >>> in_python("Use --resume to go on, or --set training.epochs=20.")
    'Use resume=True to go on, or overrides=["training.epochs=20"].'
    >>> in_python("--normal-classes needs --labels")
    'normal_classes needs labels'
    >>> in_python("--set training.epochs=0: must be an integer of at least 1")
    'overrides=["training.epochs=0"]: must be an integer of at least 1'
    """
    return "\n".join(map(_line_in_python, text.split("\n")))


def _line_in_python(line: str) -> str:
    parts = _COMMAND.split(line)  # every other one is a command
    return "".join(part if number % 2 else _in_python(part) for number, part in enumerate(parts))


def _in_python(line: str) -> str:
    line = _QUOTED.sub(r"--set \1", line)
    line = _PLACE.sub(_overrides, line)
    line = _SETTINGS.sub(_overrides, _FLAGS.sub(r"\1=True", line))
    line = _JOBS.sub(r"jobs=\1", line)
    line = _CHOSEN.sub(lambda found: f'{found[1].replace("-", "_")}="{found[2]}"', line)
    line = _PLACEHOLDERS.sub(lambda found: {"INPUT": "images", "OUT": "out"}[found[1]], line)
    return _OPTION.sub(lambda found: _NAMES.get(found[1], found[1].replace("-", "_")), line)


def _overrides(found: re.Match[str]) -> str:
    words = re.findall(_SETTING, found[0]) if found.re is _SETTINGS else [found[1]]
    return f"overrides=[{', '.join(json.dumps(word) for word in words)}]"


def all_in_python(value: Any) -> Any:
    """The same of every text in a value as JSON has it.

    >>> all_in_python({"verdict": {"text": "Try --set seed=1", "psnr": 20.0}})
    {'verdict': {'text': 'Try overrides=["seed=1"]', 'psnr': 20.0}}
    """
    if isinstance(value, str):
        return in_python(value)
    if isinstance(value, dict):
        return {key: all_in_python(inner) for key, inner in value.items()}
    return [all_in_python(inner) for inner in value] if isinstance(value, list) else value


def speaks_python(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function's errors, and what it tells, speak of arguments in the place of options."""
    says = inspect.signature(function).parameters.get("tell")

    @functools.wraps(function)
    def spoken(*args: P.args, **kwargs: P.kwargs) -> R:
        options: dict[str, Any] = kwargs
        if says is not None:
            tell = options.get("tell", says.default)
            options["tell"] = lambda line: tell(in_python(line))
        try:
            return function(*args, **kwargs)
        except UserError as error:
            error.args = (in_python(str(error)), *error.args[1:])
            raise

    return spoken


def main_in_python(arguments: Sequence[str]) -> int:
    """The command line in a process that trains runs of a grid for a Python program."""
    from cae.commands.main import main

    with contextlib.redirect_stderr(cast(TextIO, LastingText(sys.stderr, in_python))):
        return main(arguments)


@contextlib.contextmanager
def collected(tell: Callable[[str], None]) -> Iterator[io.StringIO]:
    """Give what is printed, and hand on line by line what is said on stderr; what `tell` prints is no part of it."""
    stdout = sys.stdout

    def hand_on(line: str) -> None:
        with contextlib.redirect_stdout(stdout):
            tell(line)

    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(Lines(hand_on)):
        yield printed
