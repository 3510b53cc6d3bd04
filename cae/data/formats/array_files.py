"""Array files and IDX files, opened without unpickling, without following links out of the file, in bounded memory.

All .npy, .npz and HDF5 files are opened here, since any may be a stranger's: images, codes, checkpoints, labels;
`cae.runs.weights` opens weights.
"""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import h5py
import numpy as np
from numpy.lib import format as npy_format

from cae.data.formats.file_kinds import read_start, wrong_kind
from cae.data.image_set import ImageArray
from cae.errors import UserError
from cae.files import check_claim, check_fits_memory, file_error, naming, open_regular, printable, unfolds_usually

# HDF5 data sets up to this size are read into memory once: reading single images out of compressed chunks is slow.
_IN_MEMORY_BYTES = 1 << 30
# A whole chunk is unfolded for a single image of it.
_LARGEST_CHUNK = 1 << 30
# Texts and chunks up to this size are nothing to worry about.
_TEXT_BYTES = 1 << 26
_DEFLATE_RATIO = 1032
_FILTERS = {
    *(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32, h5py.h5z.FILTER_SZIP),
    *(h5py.h5z.FILTER_NBIT, h5py.h5z.FILTER_SCALEOFFSET, h5py.h5z.FILTER_LZF),
}
_STARTS = {".npy": b"\x93NUMPY", ".npz": b"PK"}


class ArrayHeader(NamedTuple):
    """What is known of an array without reading its values."""

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def num_bytes(self) -> int:
        """Bytes that the values take in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


class ArrayFile(Protocol):
    """A file with one or several named arrays."""

    path: Path
    headers: dict[str, ArrayHeader]

    def load(self, name: str) -> ImageArray:
        """Open the named array; whether it stays on disk depends on the format."""


def open_array_file(path: Path) -> ArrayFile:
    """Open a .npy, .npz, .h5 or .hdf5 file and read its headers.

    Raises:
        UserError: the file is missing, damaged, or of another kind.
    """
    kinds: dict[str, Callable[[Path], ArrayFile]] = {
        ".npy": NpyFile,
        ".npz": NpzFile,
        ".h5": Hdf5File,
        ".hdf5": Hdf5File,
    }
    ending = path.suffix.lower()
    with naming(path):
        if ending not in kinds:
            received = "Received: a folder." if path.is_dir() else f"Received: {path.suffix or 'no ending'}."
            if path.is_file():
                with open_regular(path) as file:
                    received = wrong_kind(read_start(file))
            raise file_error(path, f"an array file must end in {', '.join(kinds)}. {received}")
        with open_regular(path) as file:
            start = read_start(file)
        # HDF5 may begin behind a block that belongs to somebody else.
        if not (start.startswith(_STARTS[ending]) if ending in _STARTS else h5py.is_hdf5(path)):
            raise file_error(path, f"the name ends in {ending}, but that is not what it is. {wrong_kind(start)}")
        return kinds[ending](path)


class NpyFile:
    """A .npy file: one array without a name, memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with open_regular(path) as file:
            self.headers = {"": _read_npy_header(file)}

    def load(self, name: str) -> np.ndarray:
        """Map the array into memory; values are read when they are used."""
        claimed, size = self.headers[name].num_bytes, self.path.stat().st_size
        with naming(self.path):
            if claimed > size:
                raise file_error(self.path, f"truncated: the header promises {claimed} bytes. Received: {size}.")
            return np.load(self.path, mmap_mode="r", allow_pickle=False)


class NpzFile:
    """An .npz archive of arrays, each read into memory as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers: dict[str, ArrayHeader] = {}
        self.is_stored = True
        """Whether nothing in it is compressed."""
        with self._open() as archive:
            for entry in archive.infolist():
                self.is_stored &= entry.compress_type == zipfile.ZIP_STORED
                if entry.filename.endswith(".npy"):
                    self._note_header(archive, entry)

    def load(self, name: str) -> np.ndarray:
        """Read the array."""
        claimed = self.headers[name].num_bytes
        with naming(self.path), self._open() as archive:
            entry = archive.getinfo(f"{name}.npy")
            check_claim(self.path, claimed, entry.compress_size)
            check_fits_memory(self.path, claimed)
            if claimed > entry.file_size:
                raise file_error(
                    self.path,
                    f"{printable(name)}: the header promises {claimed} bytes. Received: far fewer bytes; truncated or"
                    " damaged.",
                )
            with archive.open(entry) as file:
                array: np.ndarray = npy_format.read_array(file, allow_pickle=False)
                return array

    def _note_header(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
        name = entry.filename[: -len(".npy")]
        if name in self.headers:
            raise file_error(self.path, f"each name must stand for one array. Received: {printable(name)} twice.")
        with archive.open(entry) as file:
            self.headers[name] = _read_npy_header(file)

    @contextlib.contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        with open_regular(self.path) as file, zipfile.ZipFile(file) as archive:
            yield archive


class Hdf5File:
    """An HDF5 file; links are not followed, and values must lie in the file itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        open_regular(path).close()
        self._file = h5py.File(path, "r")
        self.headers: dict[str, ArrayHeader] = {}
        # visititems goes through hard links only.
        self._file.visititems(self._note_header)

    def __enter__(self) -> Hdf5File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _note_header(self, name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            with contextlib.suppress(TypeError):  # a type that NumPy does not have
                self.headers[name] = ArrayHeader(item.shape, item.dtype)

    def load(self, name: str) -> ImageArray:
        """Read a small data set into memory; leave a large one on disk."""
        with naming(self.path):
            dataset = self._dataset(name)
            if dataset.nbytes > _IN_MEMORY_BYTES:
                return Hdf5Rows(self.path, dataset)
            _check_packing(self.path, dataset, 0, dataset.shape[0] if dataset.shape else 1)
            return dataset[...]

    def load_texts(self, name: str) -> list[str]:
        """Read a list of texts, which together cannot be longer than the file.

        Many entries may share one long text, which would then be read as often: few are read at a time.
        """
        with naming(self.path):
            dataset = self._dataset(name)
            if dataset.ndim != 1 or h5py.check_string_dtype(dataset.dtype) is None:
                raise file_error(self.path, f"{printable(name)} must be a list of texts. Received: {dataset.dtype}.")
            left = self.path.stat().st_size
            step = max(1, _TEXT_BYTES // left)
            found: list[str] = []
            for first in range(0, len(dataset), step):
                texts = [text.decode("utf-8") for text in dataset[first : first + step]]
                left -= sum(map(len, texts))
                if left < 0:
                    raise file_error(self.path, f"{printable(name)} holds more text than the file has bytes.")
                found += texts
            return found

    def attribute(self, name: str) -> str | None:
        """A text that is kept beside the arrays; None where there is none."""
        with naming(self.path):
            if name not in self._file.attrs:
                return None
            if self._file.attrs.get_id(name).shape != ():
                raise file_error(self.path, f"the attribute {name} must be one text.")
            return str(self._file.attrs[name])

    def _dataset(self, name: str) -> Any:
        """A data set whose values lie in the file, and take no more memory than it says."""
        dataset = self._file[name]
        if dataset.external or dataset.is_virtual:
            received = f"{printable(name)}, stored elsewhere"
            raise file_error(self.path, f"values must lie in the file itself. Received: {received}.")
        if dataset.dtype.hasobject and h5py.check_string_dtype(dataset.dtype) is None:
            raise file_error(self.path, f"{printable(name)} must be numbers or texts. Received: {dataset.dtype}.")
        stored = dataset.id.get_storage_size()
        check_claim(self.path, dataset.nbytes, stored)
        chunk = math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        if chunk > _LARGEST_CHUNK or not unfolds_usually(chunk, stored):
            raise file_error(
                self.path, f"{printable(name)}: a chunk must not have more than 1 GiB, nor far more than is stored."
            )
        return dataset


class Hdf5Rows:
    """An HDF5 data set that takes indices in any order; HDF5 itself wants them rising and without repetition.

    Args:
        path: of the file.
        dataset: opened and looked at.
    """

    def __init__(self, path: Path, dataset: Any) -> None:
        self._path = path
        self._dataset = dataset
        self._tall = dataset.chunks[0] if dataset.chunks else 1
        self._is_checked = np.full(-(-dataset.shape[0] // self._tall), not dataset.chunks)
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype = dataset.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read rows given by a slice or by an array of indices."""
        if isinstance(key, slice):
            self._check(np.arange(*key.indices(len(self._is_checked) * self._tall)))
            return self._dataset[key]
        if len(key) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        rising, places = np.unique(key, return_inverse=True)
        self._check(rising)
        return self._dataset[rising][places]

    def _check(self, rows: np.ndarray) -> None:
        """Look at chunks before they are read for the first time."""
        for number in np.unique(rows // self._tall):
            if not self._is_checked[number]:
                first = int(number) * self._tall
                with naming(self._path):
                    _check_packing(self._path, self._dataset, first, min(first + self._tall, self.shape[0]))
                self._is_checked[number] = True


def _check_packing(path: Path, dataset: Any, first: int, end: int) -> None:
    """Refuse chunks, of those with the rows from `first` to `end`, that unfold to more than a chunk has.

    HDF5 makes room for whatever comes out of a compressed chunk, and looks at its length afterwards.
    """
    if not dataset.chunks or not dataset.shape:
        return
    filters = dataset.id.get_create_plist()
    kinds = [filters.get_filter(number)[0] for number in range(filters.get_nfilters())]
    if not set(kinds) <= _FILTERS:
        raise file_error(path, f"values may be packed by gzip, lzf or szip. Received: the filter {min(kinds)}.")
    if h5py.h5z.FILTER_DEFLATE not in kinds:
        return
    # Nothing but a checksum may come behind, so that a chunk as it is stored is what deflate made.
    if set(kinds[kinds.index(h5py.h5z.FILTER_DEFLATE) + 1 :]) - {h5py.h5z.FILTER_FLETCHER32}:
        raise file_error(path, "values must be packed once. Received: several filters, one after another.")
    unfolded = math.prod(dataset.chunks) * dataset.dtype.itemsize
    rows = slice(first, end)
    for part in dataset.iter_chunks((rows, *(slice(0, side) for side in dataset.shape[1:]))):
        corner = tuple(one.start // side * side for one, side in zip(part, dataset.chunks, strict=True))
        stored = dataset.id.get_chunk_info_by_coord(corner).size
        # A few bytes cannot unfold to many, whatever they are.
        if stored * _DEFLATE_RATIO > max(unfolded, _TEXT_BYTES):
            packed = dataset.id.read_direct_chunk(corner)[1]
            if len(zlib.decompressobj().decompress(packed, unfolded + 1)) > unfolded:
                raise file_error(path, f"a chunk unfolds to more than the {unfolded} bytes that it has.")


def _read_npy_header(file: Any) -> ArrayHeader:
    """Read the header of a .npy file; nothing in it is executed."""
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read(file)
    return ArrayHeader(shape, dtype)


_UNSIGNED_BYTE = 0x08


def is_idx(path: Path) -> bool:
    """Whether a file, compressed or not, begins as IDX files of unsigned bytes do.

    Raises:
        UserError: the file cannot be read.
    """
    with naming(path), _open(path) as file:
        return file.read(3) == bytes([0, 0, _UNSIGNED_BYTE])


def read_idx_shape(path: Path) -> tuple[int, ...]:
    """Read the dimensions from an IDX file's header.

    Raises:
        UserError: the file cannot be read, or its header is not that of an IDX file of unsigned bytes.
    """
    with naming(path), _open(path) as file:
        return _read_header(file, path)


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file of unsigned bytes; a plain file is memory-mapped, a compressed one held in memory.

    Compression is recognised by content, not by name.

    Returns:
        A read-only uint8 array with the dimensions that the header gives.

    Raises:
        UserError: the file cannot be read, is no such IDX file, or is shorter or longer than its header says.
    """
    with naming(path), _open(path) as file:
        shape = _read_header(file, path)
        if isinstance(file, gzip.GzipFile):
            return _read_compressed(file, path, shape)
        header_size = file.tell()
        length = path.stat().st_size - header_size
        if length != math.prod(shape):
            raise _length_error(path, shape, f"{length} bytes")
        return np.memmap(path, np.uint8, mode="r", offset=header_size, shape=shape)


def _open(path: Path) -> BinaryIO:
    with open_regular(path) as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if compressed else open_regular(path)


def _read_header(file: BinaryIO, path: Path) -> tuple[int, ...]:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] != _UNSIGNED_BYTE or not 1 <= magic[3] <= 4:
        inside = "gzip-compressed, and inside " if isinstance(file, gzip.GzipFile) else ""
        raise file_error(path, f"this must be an IDX file of uint8. {wrong_kind(magic + read_start(file), inside)}")
    ndim = magic[3]
    dimensions = file.read(4 * ndim)
    if len(dimensions) < 4 * ndim:
        raise file_error(path, "the file is truncated: it ends within its header.")
    shape = struct.unpack(f">{ndim}I", dimensions)
    if 0 in shape:
        raise file_error(path, f"there must be at least one image of at least one pixel. Received: shape {shape}.")
    return shape


def _read_compressed(file: BinaryIO, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    expected = math.prod(shape)
    check_claim(path, expected, path.stat().st_size)
    check_fits_memory(path, expected)
    values = np.empty(expected, np.uint8)
    filled = 0
    while filled < expected and (block := file.read(min(1 << 20, expected - filled))):
        values[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
        filled += len(block)
    if filled < expected:
        raise _length_error(path, shape, f"{filled} bytes")
    # Reading on to the end also checks gzip's own checksum.
    if file.read(1):
        raise _length_error(path, shape, "more bytes")
    values.flags.writeable = False
    return values.reshape(shape)


def _length_error(path: Path, shape: tuple[int, ...], received: str) -> UserError:
    return file_error(
        path,
        f"the header promises {math.prod(shape)} bytes (shape {shape}). Received: {received}; truncated or damaged.",
    )
