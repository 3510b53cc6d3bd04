"""Files opened and read so that whatever is wrong with them is told by name: resolved path first, then the problem."""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cae.errors import ConfigError, UserError

if TYPE_CHECKING:
    from cae.config.data import AnyData

# What readers of arrays and archives have been seen to raise at damaged files.
PARSING_ERRORS = (
    *(OSError, EOFError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError, LookupError),
    *(SyntaxError, SystemError),
    *(lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)

# Most bytes of a record in JSON such as summary.json: what is read of it takes twenty times as much memory.
RECORD_BYTES = 1 << 23
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def printable(name: str | os.PathLike[str]) -> str:
    r"""Make a file name fit for one line of a message: control characters and bytes that are no text are escaped.

    >>> print(printable("holiday\n2024/caf\u00e9.png"))
    holiday\n2024/café.png
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in os.fspath(name)
    )


def file_error(path: str | os.PathLike[str], problem: str) -> UserError:
    """Make the error that says what is wrong with a file or folder."""
    return UserError(f"{printable(os.path.abspath(path))}: {problem}")


def why(error: BaseException) -> str:
    """Say in one line what the system or a library found: `No such file or directory`."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(text.strip() or type(error).__name__)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn errors of reading, decompressing and parsing inside the block into a `UserError` that names the file.

    A path that is neither a file nor a folder is refused before: opening a pipe would wait for ever, and a device has
    no end.
    """
    if os.path.exists(path) and not os.path.isdir(path):
        _check_regular(path, os.stat(path).st_mode)
    try:
        yield
    except PARSING_ERRORS as error:
        raise file_error(path, f"cannot be read: {why(error)}") from error


def given_parts(section: AnyData) -> dict[str, Path]:
    """The paths of parts that a section names beside its own: of `validation` and `test`."""
    named = {"validation": section.validation_path, "test": section.test_path}
    return {part: Path(path) for part, path in named.items() if path is not None}


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; links to one are followed, and nothing is ever waited for.

    Raises:
        UserError: It is a folder, a pipe, a device or a socket.
        OSError: It cannot be opened.
    """
    _check_regular(path, os.stat(path).st_mode)  # to open a device may already do something
    # The second look is at what was opened: a pipe may have taken the file's place in between.
    quiet = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    file = os.fdopen(os.open(path, os.O_RDONLY | quiet), "rb")
    try:
        _check_regular(path, os.fstat(file.fileno()).st_mode)
    except UserError:
        file.close()
        raise
    return file


def read_bytes(path: Path, most: int = RECORD_BYTES) -> bytes:
    """Read a regular file of at most so many bytes.

    Raises:
        UserError: It is missing, longer, something else than a file, or cannot be read.
    """
    with naming(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise file_error(path, f"a file of this kind has at most {most:,} bytes. Received: {size:,}.")
        return file.read(size)


def check_is_text(path: Path) -> None:
    """Refuse a path to write to that TensorFlow cannot be told: one with bytes that are no UTF-8.

    Raises:
        UserError: It is such a path.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise not_text(error) from error


def not_text(error: UnicodeEncodeError) -> UserError:
    """Say which name a library could not be told, since it is no UTF-8."""
    return UserError(f"{printable(str(error.object))}: this name is not UTF-8 text, as is needed here; choose another.")


def _check_regular(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
        raise file_error(path, f"this is not a regular file. Received: {kind}.")


def required_path(path: str | None) -> Path:
    """Give the section's path.

    Raises:
        ConfigError: The section has none.
    """
    if path is None:
        raise ConfigError("`data.path` must be given for this source. Received: null.")
    return Path(path)
