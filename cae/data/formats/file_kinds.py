"""The kind of a file by its first bytes, for messages about files that are not what their name says."""

from __future__ import annotations

import codecs
import zlib
from typing import BinaryIO

from cae.files import printable

_LOOKED_AT = 512

# What a file of a kind starts with, where that stands, and what it is called.
_STARTS = (
    (b"\x93NUMPY", 0, "a NumPy array (.npy)"),
    (b"PK\x03\x04", 0, "a ZIP archive (as .npz files are)"),
    (b"PK\x05\x06", 0, "an empty ZIP archive"),
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file (.h5)"),
    (b"CDF\x01", 0, "a NetCDF file"),
    (b"CDF\x02", 0, "a NetCDF file"),
    (b"\x89PNG\r\n\x1a\n", 0, "a PNG picture"),
    (b"\xff\xd8\xff", 0, "a JPEG picture"),
    (b"GIF87a", 0, "a GIF picture"),
    (b"GIF89a", 0, "a GIF picture"),
    (b"BM", 0, "a BMP picture"),
    (b"WEBP", 8, "a WebP picture"),
    (b"II*\0", 0, "a TIFF picture"),
    (b"MM\0*", 0, "a TIFF picture"),
    (b"II+\0", 0, "a BigTIFF picture"),
    (b"MM\0+", 0, "a BigTIFF picture"),
    (b"\0\0\0\x0cjP  ", 0, "a JPEG 2000 picture"),
    (b"ftypavif", 4, "an AVIF picture"),
    (b"ftyphei", 4, "a HEIC picture"),
    (b"ftyp", 4, "an MP4 video"),
    (b"DICM", 128, "a DICOM file"),
    (b"n+1\0", 344, "a NIfTI file"),
    (b"SIMPLE  =", 0, "a FITS file"),
    (b"NRRD", 0, "an NRRD file"),
    (b"MATLAB 7.3 MAT-file", 0, "a MATLAB file (.mat, HDF5 inside)"),
    (b"MATLAB 5.0 MAT-file", 0, "a MATLAB file (.mat)"),
    (b"PAR1", 0, "a Parquet file"),
    (b"SQLite format 3\0", 0, "an SQLite database"),
    (b"%PDF", 0, "a PDF document"),
    (b"\x1f\x8b", 0, "gzip-compressed data"),
    (b"BZh", 0, "bzip2-compressed data"),
    (b"\xfd7zXZ\0", 0, "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", 0, "zstd-compressed data"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7-Zip archive"),
    (b"Rar!", 0, "a RAR archive"),
    (b"ustar", 257, "a tar archive"),
    (b"\x7fELF", 0, "a program"),
    (b"MZ", 0, "a program"),
    *((b"\x80" + bytes([protocol, 0x95]), 0, "a Python pickle") for protocol in (4, 5)),
    (b"\x80\x02", 0, "a Python pickle"),
    (b"\x80\x03", 0, "a Python pickle"),
)
_PORTABLE_MAPS = {b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"}
_IDX_TYPES = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
_READABLE = (
    "What can be read: with `source: idx`, IDX files of uint8, plain or gzip-compressed; with `source: arrays`, .npy,"
    " .npz and .h5; with `source: image_folder`, a folder of PNG, JPEG, BMP, GIF or WebP pictures"
)


def name_kind(start: bytes) -> str:
    r"""Say what a file is that starts so.

    >>> name_kind(b"II*\0\x08\0\0\0"), name_kind(b"# Read me\n"), name_kind(b"\0\0\x0d\x03")
    ('a TIFF picture', 'text that begins with "# Read me"', 'an IDX file of float32')

    Args:
        start: its first bytes, 512 or all of them.
    """
    if not start:
        return "an empty file"
    for pattern, place, name in _STARTS:
        if start[place : place + len(pattern)] == pattern:
            return name + _inside(start) if pattern == b"\x1f\x8b" else name
    if start[:2] in _PORTABLE_MAPS and start[2:3].isspace():
        return "a PGM or PPM picture"
    if len(start) >= 4 and start[:2] == b"\0\0" and start[2] in _IDX_TYPES and 1 <= start[3] <= 8:
        return f"an IDX file of {_IDX_TYPES[start[2]]}"
    return _name_text(start) or f"a file of no kind that is known here; it starts with {start[:8].hex(' ')}"


def read_start(file: BinaryIO) -> bytes:
    """The first bytes of an open file, as many as `name_kind` looks at."""
    return file.read(_LOOKED_AT)


def wrong_kind(start: bytes, around: str = "") -> str:
    """Say what a file is, and what can be read instead, to follow a rule.

    Args:
        start: as for `name_kind`.
        around: what to say before, of a file within another.
    """
    return f"Received: {around}{printable(name_kind(start))}. {_READABLE}."


def _inside(start: bytes) -> str:
    try:
        unpacked = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, _LOOKED_AT)
    except zlib.error:
        return ""
    return f": inside is {name_kind(unpacked)}"


def _name_text(start: bytes) -> str:
    try:
        # A letter may be cut in the middle at the end.
        text = codecs.getincrementaldecoder("utf-8")().decode(start).removeprefix("\ufeff")
    except UnicodeDecodeError:
        return ""
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if not first or not all(letter.isprintable() or letter.isspace() for letter in text):
        return ""
    kind = "an HTML page" if first.lower().startswith(("<!doctype html", "<html")) else "text"
    return f'{kind} that begins with "{first[:40]}"'
