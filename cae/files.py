"""Open and read files; an error names the file, what is wrong with it and what it should hold."""

from __future__ import annotations

import io
import lzma
import os
import stat
import struct
import threading
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cae.errors import UserError
from cae.machine import find_limits, this_machine

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
    text = os.fspath(name)
    if text.isprintable():  # mostly, and pages are long
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


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


def open_regular(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a regular file for reading; links to one are followed, and nothing is ever waited for.

    Raises:
        UserError: it is a folder, a pipe, a device or a socket.
        OSError: it cannot be opened.
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
        UserError: it is missing, longer, something else than a file, or cannot be read.
    """
    with naming(path), open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise file_error(path, f"a file of this kind has at most {most:,} bytes. Received: {size:,}.")
        return file.read(size)


def check_is_text(path: Path) -> None:
    """Refuse a path to write to that TensorFlow cannot take: one with bytes that are no UTF-8.

    Raises:
        UserError: it is such a path.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise not_text(error) from error


def not_text(error: UnicodeEncodeError) -> UserError:
    """Say which name a library cannot take, since it is not UTF-8."""
    return UserError(f"{printable(str(error.object))}: this name is not UTF-8 text, as is needed here; choose another.")


def _check_regular(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "something else")
        raise file_error(path, f"this is not a regular file. Received: {kind}.")


class PositionedFile:
    """A file without a position of its own; nothing of it is mapped into memory, which therefore stays flat.

    Args:
        path: the file.
        flags: as for `os.open`.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self._descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._lock = threading.Lock()

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return os.fstat(self._descriptor).st_size

    @property
    def occupied(self) -> int:
        """Bytes that the file takes on the disk, where the system tells."""
        return getattr(os.fstat(self._descriptor), "st_blocks", 0) * 512

    def resize(self, size: int) -> None:
        """Cut the file off, or let it go on with zeros, which take no room on most file systems."""
        os.truncate(self._descriptor, size)

    def read(self, offset: int, length: int) -> bytes:
        """Read bytes; fewer than `length` where the file ends."""
        found = b""
        while len(found) < length and (more := self._read(offset + len(found), length - len(found))):
            found = found + more if found else more
        return found

    def write(self, offset: int, content: bytes) -> None:
        """Write all bytes.

        Raises:
            OSError: the disk is full or fails; some of them may have been written.
        """
        done = 0
        while done < len(content):
            done += self._write(offset + done, content[done:])

    def _read(self, offset: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, offset)
        with self._lock:  # Windows has no read that leaves the position alone
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, length)

    def _write(self, offset: int, content: bytes) -> int:
        if hasattr(os, "pwrite"):
            return os.pwrite(self._descriptor, content, offset)
        with self._lock:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.write(self._descriptor, content)


# Deflate cannot do better than 1032:1, and reaches that with zeros alone: masks and drawings unfold to 100 times as
# much. What is small may unfold as it likes.
_HIGHEST_COMPRESSION, _USUAL_COMPRESSION = 1032, 200
_HARMLESS_BYTES = 1 << 26


def check_claim(path: Path, claimed: int, stored: int) -> None:
    """Refuse an array that so few bytes cannot unfold to, or only to fill a machine's memory.

    Args:
        path: the file.
        claimed: bytes that its header promises.
        stored: bytes that are there, compressed or not.

    Raises:
        UserError: the claim cannot be true, or is of zeros.
    """
    if claimed > _HIGHEST_COMPRESSION * stored:
        raise file_error(path, f"the header promises {claimed} bytes. Received: far fewer bytes; truncated or damaged.")
    if not unfolds_usually(claimed, stored):
        raise file_error(
            path,
            f"what unfolds to more than {_HARMLESS_BYTES >> 20} MiB must not unfold to more than {_USUAL_COMPRESSION}"
            f" times its bytes; images do not. Received: {stored:,} bytes for {claimed:,}; store them uncompressed.",
        )


def unfolds_usually(claimed: int, stored: int) -> bool:
    """Whether bytes may unfold to so many: few, or not many times what is stored.

    >>> unfolds_usually(4 << 30, 6 << 20), unfolds_usually(60 << 20, 1 << 16)
    (False, True)
    """
    return claimed <= max(_HARMLESS_BYTES, _USUAL_COMPRESSION * stored)


def machine_memory() -> int | None:
    """Bytes of memory that this machine has, or that its container allows; None where the system does not tell."""
    sizes = [find_limits(this_machine()).memory]
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", ()):  # not on Windows
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min((size for size in sizes if size is not None), default=None)


def check_fits_memory(path: Path, needed: int) -> None:
    """Refuse what this machine, or its container, has no memory for, where the system tells how much that is.

    Raises:
        UserError: more bytes are needed than the machine has.
    """
    memory = machine_memory()
    if memory is not None and needed > memory:
        raise file_error(
            path,
            f"this must be read into memory as a whole. Received: {needed / 1e9:,.1f} GB, and this machine has "
            f"{memory / 1e9:,.1f} GB; a .npy file would stay on disk.",
        )
