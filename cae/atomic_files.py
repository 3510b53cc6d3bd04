"""Files that are either old or new, never half: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cae.errors import UserError

_UNFINISHED = ".writing-"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there takes the place of `path` when all went well.

    The temporary name keeps the suffixes of `path`, since some writers choose their format by them.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'

    Raises:
        UserError: if `path` is something else than a regular file.
        OSError: it cannot be written; `filename` is `path`.
    """
    if path.exists() and not path.is_file():
        # A rename would put a file in the place of a folder, a device or a pipe.
        raise UserError(f"{path}: is there already and is not a regular file.")
    with naming_failures(path):
        handle, name = tempfile.mkstemp(prefix=_UNFINISHED, suffix=f"-{path.name}", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with open(temporary, "rb+") as file:
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming_failures(path: Path) -> Iterator[None]:
    """Let what goes wrong in the block, in which a file is written, name this file and the system's reason alone.

    Of a full disk, libraries name no file or a temporary one, and some tell a page of their own state besides.

    Example:
        >>> with naming_failures(Path("metrics.jsonl")):
        ...     raise OSError(28, "write failed: time = ..., errno = 28, buf = 0x55627f6b1628")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'metrics.jsonl'

    Raises:
        OSError: instead of any other, and instead of the RuntimeError that HDF5 gives when it closes a file.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        number = getattr(error, "errno", None) or (int(told[1]) if told else None)
        if number is None and not isinstance(error, OSError):
            raise
        reason = os.strerror(number) if number else str(error).split("\n")[0]
        raise OSError(number or errno.EIO, reason, str(path)) from error


def remove_unfinished(folder: Path) -> None:
    """Remove what kills in the middle of `replacing` left in a folder; nobody else may be writing there."""
    for path in folder.glob(f"{_UNFINISHED}*"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a file, or begin one, and flush it to the disk.

    Raises:
        UserError: if `path` is a link, which may lead to somebody else's file, or no regular file.
        OSError: it cannot be written; `filename` is `path`.
    """
    quiet = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UserError(f"{path}: is a link or no regular file, and nothing is written through one.")
    with naming_failures(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | quiet, 0o666)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity, which JSON does not know, are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets folders be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
