"""HDF5 files on disks that may be full: an error of the system becomes one of Python's, and nothing else."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Hdf5Target(io.RawIOBase):
    """A file that takes whatever HDF5 gives it, and remembers the first error of the system for `check` to raise.

    HDF5 cannot get over a write that fails: it crashes the interpreter when it frees what it could not write. So after
    an error writes go to memory instead: as many as it takes to close the file.

    Args:
        path: Is created, or cut to nothing.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb+", buffering=0)  # noqa: SIM115  # closed with this one
        self._error: OSError | None = None
        self._kept: dict[int, bytes] = {}

    def check(self) -> None:
        """Raise the error that has come up; to be called after each of one's own writes.

        Raises:
            OSError: A write has failed.
        """
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start, length = self._file.tell(), len(buffer)
        found = self._file.read(length) or b""
        # What was never written reads as zeros.
        buffer[:] = found.ljust(length, b"\0")
        for offset, content in self._kept.items():
            first, last = max(offset, start), min(offset + len(content), start + length)
            if first < last:
                buffer[first - start : last - start] = content[first - offset : last - offset]
        self._file.seek(start + length)
        return length

    def write(self, buffer: Any) -> int:
        content, start = bytes(buffer), self._file.tell()
        written = 0
        while written < len(content) and self._error is None:
            try:
                written += self._file.write(content[written:])
            except OSError as error:
                self._error = error
        if written < len(content):
            self._kept[start] = content
            self._file.seek(start + len(content))
        return len(content)

    def truncate(self, size: int | None = None) -> int:
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def close(self) -> None:
        super().close()
        self._file.close()


@contextlib.contextmanager
def writing_hdf5(path: Path) -> Iterator[tuple[Any, Hdf5Target]]:
    """Open an HDF5 file for writing; gives the `h5py.File`, and what checks whether all of it could be written.

    Raises:
        OSError: A write has failed, at the latest when the file was closed.
    """
    import h5py

    with contextlib.closing(Hdf5Target(path)) as target:
        with h5py.File(target, "w") as file:
            yield file, target
        target.check()
