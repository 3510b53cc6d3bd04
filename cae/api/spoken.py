"""What commands say, in the words of Python: `resume=True` for `--resume`."""

from __future__ import annotations

import contextlib
import functools
import inspect
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

from cae.errors import UserError
from cae.messages import Lines

P = ParamSpec("P")
R = TypeVar("R")

_FLAGS = re.compile(r"--(resume|overwrite|again|quantize)\b")
_SETTING = r"--set ([\w.]+=(?:\{[^}]*\}|[^\s,;]*[^\s,;.]))"
_SETTINGS = re.compile(rf"{_SETTING}(?: {_SETTING})*")
_JOBS = re.compile(r"--jobs (\d+)")
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
_COMMAND = re.compile(r"\b(python -m|python \S+\.py|tensorboard --|pip install)\b")


def in_python(text: str) -> str:
    """Say in Python what is said of the command line; commands that can be typed stay as they are.

    >>> in_python("Use --resume to go on, or --set training.epochs=20.")
    'Use resume=True to go on, or overrides=["training.epochs=20"].'
    >>> in_python("--normal-classes needs --labels")
    'normal_classes needs labels'
    """
    return "\n".join(line if _COMMAND.search(line) else _in_python(line) for line in text.split("\n"))


def _in_python(line: str) -> str:
    line = _SETTINGS.sub(_overrides, _FLAGS.sub(r"\1=True", line))
    line = _JOBS.sub(r"jobs=\1", line)
    return _OPTION.sub(lambda found: found[1].replace("-", "_"), line)


def _overrides(found: re.Match[str]) -> str:
    words = re.findall(_SETTING, found[0])
    return f"overrides=[{', '.join(json.dumps(word) for word in words)}]"


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


@contextlib.contextmanager
def collected(tell: Callable[[str], None]) -> Iterator[io.StringIO]:
    """Give what is printed, and hand on line by line what is said on stderr."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.redirect_stderr(Lines(tell)):
        yield printed
