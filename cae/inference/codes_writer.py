"""Codes written to disk as they come: npz, HDF5 or Parquet."""

from __future__ import annotations

import contextlib
import io
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.lib import format as npy_format

from cae.atomic_files import replacing
from cae.inference.codes_file import Description, import_pyarrow


class Hdf5Target(io.RawIOBase):
    """A file that takes whatever HDF5 gives it, and remembers the first error of the system for `check` to raise.

    HDF5 cannot get over a write that fails: it crashes the interpreter when it frees what it could not write. So after
    an error writes go to memory instead: as many as it takes to close the file.

    Args:
        path: is created, or cut to nothing.
    """

    def __init__(self, path: Path) -> None:
        self._file = open(path, "wb+", buffering=0)  # noqa: SIM115  # closed with this one
        self._error: OSError | None = None
        self._kept: dict[int, bytes] = {}

    def check(self) -> None:
        """Raise the error that has come up; to be called after each of one's own writes.

        Raises:
            OSError: a write has failed.
        """
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what was written, or could not be; returns its length."""
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
        """Write all bytes, or keep those that the disk does not take; returns how many there are."""
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
        OSError: a write has failed, at the latest when the file was closed.
    """
    import h5py

    with contextlib.closing(Hdf5Target(path)) as target:
        with h5py.File(target, "w") as file:
            yield file, target
        target.check()


_COPIED_BYTES = 2**24


class CodesWriter(Protocol):
    """Takes codes until its block ends; then the file is there."""

    def write(self, codes: np.ndarray, names: Sequence[str], classes: Sequence[str] | None) -> None:
        """Add codes.

        Args:
            codes: float32, (batch, *code_shape).
            names: of the images; any text.
            classes: of the images; in every call or in none.
        """


@contextlib.contextmanager
def writing_codes(path: Path, description: Description) -> Iterator[CodesWriter]:
    """Open a file for codes; it appears under its name when the block has gone well.

    Args:
        path: ends in .npz, .h5, .hdf5 or .parquet.
        description: of the codes, their shape included.
    """
    kind = {".npz": _writing_npz, ".parquet": _writing_parquet}.get(path.suffix.lower(), _writing_hdf5)
    with replacing(path) as temporary, kind(temporary, description) as writer:
        yield writer


class _NpzWriter:
    """Values go to a file beside at first: an .npz array begins with its length, which is known last."""

    def __init__(self, values: BinaryIO) -> None:
        self._values = values
        self.names: list[str] = []
        self.classes: list[str] = []

    def write(self, codes: np.ndarray, names: Sequence[str], classes: Sequence[str] | None) -> None:
        self._values.write(np.ascontiguousarray(codes, "<f4").tobytes())
        self.names += names
        self.classes += classes or []


@contextlib.contextmanager
def _writing_npz(path: Path, description: Description) -> Iterator[CodesWriter]:
    with tempfile.TemporaryFile(dir=path.parent) as values:
        writer = _NpzWriter(values)
        yield writer
        values.seek(0)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            with archive.open("codes.npy", "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(writer.names), *description.code_shape)}
                npy_format.write_array_header_1_0(member, header)
                shutil.copyfileobj(values, member, _COPIED_BYTES)
            arrays = {"names": writer.names, "description": description.to_json()}
            if writer.classes:
                arrays["classes"] = writer.classes
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    npy_format.write_array(member, np.array(array, dtype=np.str_), allow_pickle=False)


class _Hdf5Writer:
    def __init__(self, file: Any, target: Hdf5Target, shape: tuple[int, ...]) -> None:
        import h5py

        self._file, self._target = file, target
        text = h5py.string_dtype()
        self._columns = {
            "codes": file.create_dataset("codes", (0, *shape), "f4", maxshape=(None, *shape)),
            "names": file.create_dataset("names", (0,), text, maxshape=(None,)),
        }

    def write(self, codes: np.ndarray, names: Sequence[str], classes: Sequence[str] | None) -> None:
        import h5py

        if classes is not None and "classes" not in self._columns:
            self._columns["classes"] = self._file.create_dataset("classes", (0,), h5py.string_dtype(), maxshape=(None,))
        columns: dict[str, Any] = {"codes": codes, "names": list(names)}
        if classes is not None:
            columns["classes"] = list(classes)
        for name, values in columns.items():
            column = self._columns[name]
            column.resize(len(column) + len(values), axis=0)
            column[-len(values) :] = values
        self._target.check()


@contextlib.contextmanager
def _writing_hdf5(path: Path, description: Description) -> Iterator[CodesWriter]:
    with writing_hdf5(path) as (file, target):
        file.attrs["description"] = description.to_json()
        yield _Hdf5Writer(file, target, description.code_shape)


class _ParquetWriter:
    """Each call's codes become a row group; a code is a list of fixed length, row-major."""

    def __init__(self, path: Path, description: Description) -> None:
        self._pyarrow, self._parquet = import_pyarrow()
        self._path, self._description = path, description
        self._file: Any = None

    def write(self, codes: np.ndarray, names: Sequence[str], classes: Sequence[str] | None) -> None:
        flat = self._pyarrow.array(np.ascontiguousarray(codes, np.float32).reshape(-1))
        columns = {"names": self._pyarrow.array(list(names))}
        if classes is not None:
            columns["classes"] = self._pyarrow.array(list(classes))
        columns["codes"] = self._pyarrow.FixedSizeListArray.from_arrays(flat, math.prod(self._description.code_shape))
        table = self._pyarrow.table(columns).replace_schema_metadata({"description": self._description.to_json()})
        if self._file is None:
            self._file = self._parquet.ParquetWriter(self._path, table.schema)
        self._file.write_table(table)

    def close(self) -> None:
        """Write the file's end."""
        if self._file is not None:
            self._file.close()


@contextlib.contextmanager
def _writing_parquet(path: Path, description: Description) -> Iterator[CodesWriter]:
    with contextlib.closing(_ParquetWriter(path, description)) as writer:
        yield writer
