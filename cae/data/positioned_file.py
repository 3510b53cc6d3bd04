"""Reading and writing at given places of a file, from several threads at a time."""

from __future__ import annotations

import os
import threading
from pathlib import Path


class PositionedFile:
    """A file without a position of its own; nothing of it is mapped into memory, which therefore stays flat.

    Args:
        path: The file.
        flags: As for `os.open`.

    Raises:
        OSError: The file cannot be opened.
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
            OSError: The disk is full or fails; some of them may have been written.
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
