"""Codes on disk, as .npz, .h5 or .parquet: written bit by bit, and read back without executing anything.

Every format holds `codes`, `names`, and, where images have classes, `classes`; and a description in JSON: which run's
weights made the codes, their shape, and how they were pooled.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.lib import format as npy_format

from cae.atomic_files import replacing
from cae.data.formats.array_files import Hdf5File, NpzFile
from cae.errors import ConfigError, UserError
from cae.files import check_claim, check_fits_memory, file_error, naming, open_regular

ENDINGS = (".npz", ".h5", ".hdf5", ".parquet")
FORMAT = "cae codes 1"


@dataclass(frozen=True)
class Description:
    """What must be known of codes to use them.

    Args:
        run: the run's experiment and name.
        weights: SHA-256 of the weights that made them.
        code_shape: shape of one code as it is written, pooled if so.
        pool: `none`, `mean` or `max`.
        image_shape: (height, width, channels) of the images that the model takes.
    """

    run: str
    weights: str
    code_shape: tuple[int, ...]
    pool: str
    image_shape: tuple[int, int, int]
    format: str = field(default=FORMAT)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Description:
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is something else.
        """
        found = json.loads(text)
        if not isinstance(found, dict) or found.get("format") != FORMAT or set(found) != set(cls.__dataclass_fields__):
            raise ValueError("the description of the codes is missing, damaged or of another version")
        return cls(**{**found, "code_shape": tuple(found["code_shape"]), "image_shape": tuple(found["image_shape"])})


@dataclass(frozen=True)
class Codes:
    """What lies in a file of codes.

    Args:
        codes: float32, (images, *code_shape).
        names: of the images.
        description: None in a file that this program did not write.
    """

    codes: np.ndarray
    names: list[str]
    description: Description | None


def check_format(path: Path) -> None:
    """Refuse an ending that is no format, and a format whose library is missing.

    Raises:
        ConfigError: one of these.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"--out: a file of codes must end in {', '.join(ENDINGS)}. Received: {path}.")
    if ending == ".parquet":
        import_pyarrow()


def import_pyarrow() -> tuple[Any, Any]:
    """Import what reads and writes Parquet, which the program does without otherwise.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ConfigError(
            ".parquet files need the package pyarrow, which is not installed: `pip install pyarrow`, or use .npz or"
            " .h5."
        ) from error
    return pyarrow, pyarrow.parquet


def read_codes(path: Path) -> Codes:
    """Read a file of codes; an .npz or .h5 of your own needs no more than an array `codes`.

    Raises:
        UserError: the file is missing, damaged, or holds no codes.
        ConfigError: it is a .parquet file and pyarrow is not installed.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise file_error(path, f"a file of codes must end in {', '.join(ENDINGS)}.")
    with naming(path):
        read = {".npz": _read_npz, ".parquet": _read_parquet}.get(ending, _read_hdf5)
        codes, names, text = read(path)
        description = None if text is None else Description.from_json(text)
    if codes is None:
        raise file_error(path, "there must be an array `codes` in the file itself. Received: none.")
    if codes.dtype.kind not in "fiu" or codes.ndim < 2:
        raise file_error(
            path, f"`codes` must be numbers, (images, ...). Received: {codes.dtype} of shape {codes.shape}."
        )
    if len(names) not in (0, len(codes)):
        raise file_error(
            path, f"there must be a name for each of the {len(codes)} codes. Received: {len(names)} names."
        )
    return Codes(codes.astype(np.float32), names or [str(index) for index in range(len(codes))], description)


_Content = tuple[np.ndarray | None, list[str], str | None]


def _read_npz(path: Path) -> _Content:
    file = NpzFile(path)
    found = {name: file.load(name) for name in ("codes", "names", "description") if name in file.headers}
    names = found.get("names", np.empty(0, np.str_))
    if names.ndim != 1 or names.dtype.kind not in "USiu":
        raise ValueError(f"`names` must be a list of texts. Received: {names.dtype} of shape {names.shape}.")
    if names.dtype.kind == "S":
        names = np.char.decode(names, "utf-8")
    return (
        found.get("codes"),
        [str(name) for name in names],
        str(found["description"]) if "description" in found else None,
    )


def _read_hdf5(path: Path) -> _Content:
    with Hdf5File(path) as file:
        names, codes = file.headers.get("names"), file.headers.get("codes")
        if codes is not None:
            check_fits_memory(path, codes.num_bytes)
        values = np.asarray(file.load("codes")[:]) if codes is not None and codes.shape else None
        # Numbers are names as well: of a program that counts.
        is_counted = names is not None and names.dtype.kind in "iu" and len(names.shape) == 1
        texts = [str(name) for name in file.load("names")[:]] if is_counted else []
        if names is not None and not is_counted:
            texts = file.load_texts("names")
        return values, texts, file.attribute("description")


def _read_parquet(path: Path) -> _Content:
    pyarrow, parquet = import_pyarrow()
    try:
        with open_regular(path) as file:
            check_fits_memory(path, _unfolded_bytes(path, parquet.read_metadata(file)))
            table = parquet.read_table(file)
    except UserError:
        raise
    except Exception as error:  # the library's own errors
        raise UserError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    text = (table.schema.metadata or {}).get(b"description")
    if text is None or not {"codes", "names"} <= set(table.column_names):
        raise ValueError("there must be columns `names` and `codes` and a description, as `encode` writes them")
    shape = Description.from_json(text.decode()).code_shape
    if table["codes"].null_count or table["names"].type != pyarrow.string() or table["names"].null_count:
        raise ValueError("there must be a name and a code in every row")
    flat = table["codes"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(table.num_rows, *shape), table["names"].to_pylist(), text.decode()


def _unfolded_bytes(path: Path, metadata: Any) -> int:
    """Bytes that a Parquet file promises, of which repeated values can be many more than it has."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    claimed = max([metadata.num_rows, *(group.total_byte_size for group in groups)])
    check_claim(path, claimed, path.stat().st_size)
    return sum(group.total_byte_size for group in groups)


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
