"""What a command says while it works; its results go to stdout."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

from cae.data.file_errors import printable


def for_terminal(text: str) -> str:
    r"""Escape what a terminal would obey instead of show: a name is a stranger's, and may hold anything.

    >>> print(for_terminal("two lines:\n\x1b[2Jphoto.png"))
    two lines:
    \x1b[2Jphoto.png
    """
    return "\n".join(map(printable, text.split("\n")))


def next_steps(*commands: Sequence[str | Path]) -> str:
    r"""Say what can be typed next: commands that a shell takes as they stand, whatever their paths are.

    >>> print(next_steps(["python", "-m", "cae", "evaluate", Path("my runs/it's")], ["tensorboard", Path("-runs")]))
    Next: python -m cae evaluate 'my runs/it'"'"'s'
          tensorboard ./-runs

    Args:
        commands: Of words each; a Path is never taken for an option, whatever it begins with.
    """
    return "Next: " + "\n      ".join(shlex.join(map(_word, words)) for words in commands)


def _word(word: str | Path) -> str:
    return f".{os.sep}{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)


def tell(line: str) -> None:
    """Show a line to the user, on stderr."""
    print(for_terminal(line), file=sys.stderr, flush=True)


class TerminalText:
    """A text stream that shows everything written to it as `for_terminal` does.

    Args:
        stream: The terminal's.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write the text escaped."""
        self._stream.write(for_terminal(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def results_stream(stream: TextIO) -> TextIO:
    """Make stdout fit for names: escaped for people at a terminal, and byte for byte for programs behind a pipe."""
    if stream.isatty():
        return cast(TextIO, TerminalText(stream))
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="surrogateescape")
    return stream


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; what it gives is told the number done and the number of all."""
    from tqdm import tqdm

    with tqdm(
        desc=what, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, delay=1, mininterval=0.5
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
