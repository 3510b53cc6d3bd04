"""Array files, opened without ever unpickling and without following anything out of the file."""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np
from numpy.lib import format as npy_format

from cae.data.array_set import ImageArray
from cae.data.claims import check_claim, check_fits_memory
from cae.data.file_errors import file_error, naming, printable

# HDF5 data sets up to this size are read into memory once: reading single images out of compressed chunks is slow.
_IN_MEMORY_BYTES = 1 << 30
# A whole chunk is unfolded for a single image of it.
_LARGEST_CHUNK = 1 << 30


class ArrayHeader(NamedTuple):
    """What is known of an array without reading its values."""

    shape: tuple[int, ...]
    dtype: np.dtype


class ArrayFile(Protocol):
    """A file with one or several named arrays."""

    path: Path
    headers: dict[str, ArrayHeader]

    def load(self, name: str) -> ImageArray:
        """Open the named array; whether it stays on disk depends on the format."""


def open_array_file(path: Path) -> ArrayFile:
    """Open a .npy, .npz, .h5 or .hdf5 file and read its headers.

    Raises:
        UserError: The file is missing, damaged, or of another kind.
    """
    kinds: dict[str, Callable[[Path], ArrayFile]] = {
        ".npy": NpyFile,
        ".npz": NpzFile,
        ".h5": Hdf5File,
        ".hdf5": Hdf5File,
    }
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise file_error(path, f"an array file must end in {', '.join(kinds)}. Received: {path.suffix or 'no ending'}.")
    with naming(path):
        return kind(path)


class NpyFile:
    """A .npy file: one array without a name, memory-mapped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.headers = {"": _read_npy_header(file)}

    def load(self, name: str) -> np.ndarray:
        """Map the array into memory; values are read when they are used."""
        header = self.headers[name]
        claimed, size = math.prod(header.shape) * header.dtype.itemsize, self.path.stat().st_size
        with naming(self.path):
            if claimed > size:
                raise file_error(self.path, f"truncated: the header promises {claimed} bytes. Received: {size}.")
            return np.load(self.path, mmap_mode="r", allow_pickle=False)


class NpzFile:
    """An .npz archive of arrays, each read into memory as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.headers = {}
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                if member.endswith(".npy"):
                    with archive.open(member) as file:
                        self.headers[member[: -len(".npy")]] = _read_npy_header(file)

    def load(self, name: str) -> np.ndarray:
        """Read the array."""
        header = self.headers[name]
        claimed = math.prod(header.shape) * header.dtype.itemsize
        with naming(self.path), np.load(self.path, allow_pickle=False) as archive:
            check_claim(self.path, claimed, archive.zip.getinfo(f"{name}.npy").compress_size)
            check_fits_memory(self.path, claimed)
            return archive[name]


class Hdf5File:
    """An HDF5 file; links are not followed, and values must lie in the file itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = h5py.File(path, "r")
        self.headers: dict[str, ArrayHeader] = {}
        # visititems goes through hard links only.
        self._file.visititems(self._note_header)

    def _note_header(self, name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            with contextlib.suppress(TypeError):  # a type that NumPy does not have
                self.headers[name] = ArrayHeader(item.shape, item.dtype)

    def load(self, name: str) -> ImageArray:
        """Read a small data set into memory; leave a large one on disk."""
        with naming(self.path):
            dataset = self._file[name]
            if dataset.external or dataset.is_virtual:
                received = f"{printable(name)}, stored elsewhere"
                raise file_error(self.path, f"values must lie in the file itself. Received: {received}.")
            check_claim(self.path, dataset.nbytes, dataset.id.get_storage_size())
            if math.prod(dataset.chunks or ()) * dataset.dtype.itemsize > _LARGEST_CHUNK:
                raise file_error(self.path, f"{printable(name)}: a chunk must not have more than 1 GiB.")
            return dataset[...] if dataset.nbytes <= _IN_MEMORY_BYTES else Hdf5Rows(dataset)


class Hdf5Rows:
    """An HDF5 data set that takes indices in any order; HDF5 itself wants them rising and without repetition."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype = dataset.dtype

    def __getitem__(self, key: Any) -> np.ndarray:
        """Read rows given by a slice or by an array of indices."""
        if isinstance(key, slice):
            return self._dataset[key]
        if len(key) == 0:
            return np.empty((0, *self.shape[1:]), self.dtype)
        rising, places = np.unique(key, return_inverse=True)
        return self._dataset[rising][places]


def _read_npy_header(file: Any) -> ArrayHeader:
    """Read the header of a .npy file; nothing in it is executed."""
    version = npy_format.read_magic(file)
    read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    shape, _, dtype = read(file)
    return ArrayHeader(shape, dtype)
