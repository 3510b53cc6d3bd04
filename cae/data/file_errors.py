"""Errors that name a file: resolved path first, then what is wrong with it."""

from __future__ import annotations

import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cae.config.data import AnyData
from cae.errors import ConfigError, UserError

# What readers of arrays and archives have been seen to raise at damaged files.
_PARSING_ERRORS = (
    *(OSError, EOFError, MemoryError, OverflowError, RuntimeError, TypeError, ValueError, KeyError),
    *(lzma.LZMAError, struct.error, zipfile.BadZipFile, zlib.error),
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
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise file_error(path, "this is not a regular file.")
    try:
        yield
    except _PARSING_ERRORS as error:
        raise file_error(path, f"cannot be read: {why(error)}") from error


def given_parts(section: AnyData) -> dict[str, Path]:
    """The paths of parts that a section names beside its own: of `validation` and `test`."""
    named = {"validation": section.validation_path, "test": section.test_path}
    return {part: Path(path) for part, path in named.items() if path is not None}


def required_path(path: str | None) -> Path:
    """Give the section's path.

    Raises:
        ConfigError: The section has none.
    """
    if path is None:
        raise ConfigError("`data.path` must be given for this source. Received: null.")
    return Path(path)
