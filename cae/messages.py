"""What a command says while it works, and tables of its results; results go to stdout."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import itertools
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar, cast

from cae.files import printable

_NAMES = "cae_names"
Part = TypeVar("Part")


def for_terminal(text: str) -> str:
    r"""Escape what a terminal would obey instead of show: a name is a stranger's, and may hold anything.

    >>> print(for_terminal("two lines:\n\x1b[2Jphoto.png"))
    two lines:
    \x1b[2Jphoto.png
    """
    return "\n".join(map(printable, text.split("\n")))


def next_steps(*commands: Sequence[object], shown: str = "the tab Decoders has the pictures side by side") -> str:
    r"""Say what can be typed next: commands that are safe to paste into a shell, whatever their paths are.

    >>> print(next_steps(["python", "-m", "cae", "evaluate", Path("my runs/it's")], ["tensorboard", Path("-runs")]))
    Next: python -m cae evaluate 'my runs/it'"'"'s'
          tensorboard ./-runs

    Args:
        commands: of words each; a Path is never taken for an option, whatever it begins with.
        shown: where TensorBoard is among them, what is to be seen there.
    """
    told = "Next: " + "\n      ".join(shlex.join(map(as_word, words)) for words in commands)
    has_board = any(words[0] == "tensorboard" and "--logdir" in words for words in commands)
    return f"{told}\nIn TensorBoard, {shown}." if has_board else told


def number_of(number: int, noun: str) -> str:
    """A number of things, of which there may be one.

    >>> number_of(1, "test image"), number_of(1200, "value")
    ('1 test image', '1,200 values')
    """
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """The noun as it stands for so many.

    >>> plural(1, "seed"), plural(2, "seed")
    ('seed', 'seeds')
    """
    return noun if number == 1 else f"{noun}s"


def as_word(word: object) -> str:
    """A word of a command line; a Path is never taken for an option, whatever it begins with."""
    return f".{os.sep}{word}" if isinstance(word, Path) and str(word).startswith("-") else str(word)


def tell(line: str) -> None:
    """Show a line to the user, on stderr."""
    _progress.show(for_terminal(line))


def telling_once(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Pass each line on when it comes for the first time.

    >>> say = telling_once(print)
    >>> say("one"), say("one")
    one
    (None, None)
    """
    said: set[str] = set()

    def tell_new(line: str) -> None:
        if line not in said:
            said.add(line)
            tell(line)

    return tell_new


class _Progress:
    """How far a command is, and when it has last said something."""

    def __init__(self) -> None:
        self.places: list[list[int]] = []  # done and all, the whole first, then what its running part is made of
        self.said = 0.0
        self.waits = False  # while somebody else draws on the terminal
        self._lock = threading.Lock()
        self._is_drawn = False

    def show(self, line: str, *, stays: bool = True) -> None:
        """Write a line; on a terminal one that does not stay is written over by the next."""
        with self._lock:
            over = "\r\x1b[K" * self._is_drawn
            self._is_drawn = not stays and sys.stderr.isatty()
            print(f"{over}{line}", file=sys.stderr, end="" if self._is_drawn else "\n", flush=True)
            self.said = time.monotonic()

    def clear(self) -> None:
        """Remove what does not stay."""
        with self._lock:
            print("\r\x1b[K" * self._is_drawn, file=sys.stderr, end="", flush=True)
            self._is_drawn = False

    def share(self) -> float:
        """What is done, from 0 to 1."""
        share, part = 0.0, 1.0
        for done, total in tuple(self.places):
            part /= max(1, total)
            share += part * done
        return share


_progress = _Progress()
_SILENCE_SECONDS = 1.5


@contextlib.contextmanager
def reporting(begins: str) -> Iterator[None]:
    """Say what begins, and how far it is whenever nothing was said for a while; see `counting`."""
    tell(begins)
    started = time.monotonic()
    is_over = threading.Event()

    def report() -> None:
        share = 0.0
        while not is_over.wait(_SILENCE_SECONDS / 10):
            now = time.monotonic()
            # In a file every line stays: the longer it takes, the fewer there are.
            silence = _SILENCE_SECONDS if sys.stderr.isatty() else max(_SILENCE_SECONDS, min((now - started) / 10, 60))
            if not _progress.waits and now - _progress.said >= silence:
                share = max(share, _progress.share())  # some parts go over their images more than once
                minutes, seconds = divmod(round(now - started), 60)
                _progress.show(f"  {share:.0%} done, {minutes}:{seconds:02} so far", stays=False)

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        _progress.clear()


@contextlib.contextmanager
def counting(total: int) -> Iterator[Callable[[], None]]:
    """Count parts of about the same length; call what it gives when one is done.

    Within a part that is running, its own parts may be counted.

    >>> with counting(4) as part_done:
    ...     part_done()
    ...     for _ in counted([1, 2], 2):
    ...         print(f"{_progress.share():.3f}")
    0.250
    0.375
    """
    place = [0, total]
    _progress.places.append(place)

    def part_done() -> None:
        place[0] += 1

    try:
        yield part_done
    finally:
        _progress.places[:] = [one for one in _progress.places if one is not place]


@contextlib.contextmanager
def counting_lines(tell: Callable[[str], None], total: int) -> Iterator[Callable[[str], None]]:
    """Count parts of which each begins with a line; gives what tells it. See `counting`."""
    with counting(total) as part_done:
        ends = itertools.chain([lambda: None], itertools.repeat(part_done))

        def tell_part(line: str) -> None:
            next(ends)()
            tell(line)

        yield tell_part


def counted(parts: Iterable[Part], total: int) -> Iterator[Part]:
    """Give parts one by one, and count them; see `counting`."""
    with counting(total) as part_done:
        for part in parts:
            yield part
            part_done()


class LastingText:
    """A text stream that is no error to write to when its terminal or its reader has gone.

    Args:
        stream: of a terminal, a pipe or a file.
        escape: what is done to everything written.
    """

    def __init__(self, stream: TextIO, escape: Callable[[str], str]) -> None:
        self._stream = stream
        self._escape = escape

    def write(self, text: str) -> int:
        """Write the text escaped."""
        with self._lasting():
            self._stream.write(self._escape(text))
        return len(text)

    def flush(self) -> None:
        """Show what is written."""
        with self._lasting():
            self._stream.flush()

    @contextlib.contextmanager
    def _lasting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.EIO, errno.EPIPE):
                raise
            # For what is still to be flushed, too, when the program ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def results_stream(stream: TextIO) -> TextIO:
    """Make stdout fit for names: escaped for people at a terminal, and byte for byte for programs behind a pipe."""
    is_terminal = stream.isatty()
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace" if is_terminal else _NAMES)
    return cast(TextIO, LastingText(stream, for_terminal)) if is_terminal else stream


def _bytes_of_names(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give back the bytes of a name that is no text; escape what the stream's encoding does not have."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


codecs.register_error(_NAMES, _bytes_of_names)


def messages_stream(stream: TextIO) -> TextIO:
    """Make stderr survive the end of its terminal, or of the `tee` behind it: training then still saves its state."""
    return cast(TextIO, LastingText(stream, str))


class Lines(io.TextIOBase):
    """A text stream that hands lines on, once each is whole.

    Args:
        take: is given each line, without its end.
    """

    def __init__(self, take: Callable[[str], object]) -> None:
        self._take = take
        self._begun = ""

    def write(self, text: str) -> int:
        """Take the text, and hand on the lines that it ends."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._take(line)
        return len(text)


def only_warnings(stream: TextIO) -> contextlib.AbstractContextManager[Any]:
    """Let nothing but warnings and errors reach stderr meanwhile; bars are not drawn."""
    lines = Lines(lambda line: stream.write(f"{line}\n") if line.lower().startswith(("warning", "error")) else None)
    return contextlib.redirect_stderr(cast(TextIO, lines))


def named_lines(stream: TextIO, name: str) -> TextIO:
    r"""Put a name before each line, for what several write to one terminal or file; bars are not drawn.

    >>> print("epoch 1\nepoch 2", file=named_lines(sys.stdout, "resize"))
    resize: epoch 1
    resize: epoch 2
    """
    # Each line in one piece, which nothing of another process comes between.
    return cast(TextIO, Lines(lambda line: stream.write(f"{name}: {line}\n") if line else None))


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal; call what it gives with the number done and the total."""
    from tqdm import tqdm

    with tqdm(
        desc=what, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, delay=1, mininterval=0.5
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        _progress.waits = not bar.disable
        try:
            yield show
        finally:
            _progress.waits = False


def align(rows: Sequence[Sequence[str]], numbers: Collection[int], between: str = "  ") -> list[str]:
    """Put the cells of rows in line.

    Example:
        >>> align([("run", "parameters"), ("small", "9")], numbers=[1])
        ['run    parameters', 'small           9']

    Args:
        rows: each of as many cells.
        numbers: columns, from 0, whose cells end at the same place; those of the others begin there.
        between: what stands between two cells.

    Returns:
        A line for each row, without spaces at its end.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        between.join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
