"""IDX files, read in parts."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from cae.data.formats.file_kinds import read_start, wrong_kind
from cae.errors import UserError
from cae.files import check_claim, check_fits_memory, file_error, naming, open_regular

_UNSIGNED_BYTE = 0x08


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
