"""What a scan has seen, kept for the next one, so that unchanged files need not be opened again."""

from __future__ import annotations

import io
import os
import zlib
from pathlib import Path

import numpy as np

from cae.atomic_files import replacing
from cae.data.file_errors import PARSING_ERRORS, open_regular
from cae.data.image_file import ImageHeader
from cae.data.user_cache import DIGEST_BYTES, digest, user_cache_folder
from cae.errors import UserError

HEADER_TYPE = np.dtype(
    [
        ("stamp", f"V{DIGEST_BYTES}"),
        ("height", np.uint32),
        ("width", np.uint32),
        ("deep", np.bool_),
        ("complete", np.bool_),
    ]
)
"""One file of a scan; all zeros for a file that cannot be used."""

_CHECKSUM_BYTES = 4


class HeaderCache:
    """The headers of one data set's good files, found by the files' stamps.

    A file that has changed has another stamp, and is simply not found. The cache lies in the user's cache folder; one
    that is missing, damaged or cannot be written only means that headers are read from the files.

    Args:
        folders: The data set's folders.
    """

    def __init__(self, *folders: str) -> None:
        self._name = digest("headers 1", *map(os.path.abspath, folders)).hex()
        try:
            self._headers = _sorted(_load(self._path()))
        except (UserError, *PARSING_ERRORS):
            self._headers = np.empty(0, HEADER_TYPE)
        self._stamps = _sortable(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def find(self, stamp: bytes) -> ImageHeader | None:
        """Find a file's header by its stamp."""
        place = int(np.searchsorted(self._stamps, np.bytes_(stamp)))
        if place == len(self._headers) or self._headers[place]["stamp"].tobytes() != stamp:
            return None
        _, height, width, deep, complete = self._headers[place].item()
        return ImageHeader(height, width, deep, complete)

    def replace(self, headers: np.ndarray) -> None:
        """Keep these headers, of type `HEADER_TYPE`, instead of those that were there."""
        content = io.BytesIO()
        np.save(content, headers, allow_pickle=False)
        checksum = zlib.crc32(content.getbuffer()).to_bytes(_CHECKSUM_BYTES, "little")
        try:
            path = self._path()
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(content.getbuffer())
                with temporary.open("ab") as file:
                    file.write(checksum)
        except (OSError, UserError):
            return  # the next scan reads the files again, which is all that is lost

    def _path(self) -> Path:
        return user_cache_folder() / "headers" / self._name


def _load(path: Path) -> np.ndarray:
    with open_regular(path) as file:
        content = file.read()
    if zlib.crc32(content[:-_CHECKSUM_BYTES]).to_bytes(_CHECKSUM_BYTES, "little") != content[-_CHECKSUM_BYTES:]:
        raise ValueError("the checksum is wrong")
    return np.load(io.BytesIO(content[:-_CHECKSUM_BYTES]), allow_pickle=False).astype(HEADER_TYPE)


def _sorted(headers: np.ndarray) -> np.ndarray:
    return headers[np.argsort(_sortable(headers), kind="stable")]


def _sortable(headers: np.ndarray) -> np.ndarray:
    """Stamps as byte strings, which unlike plain bytes have an order; it leaves zeros at their ends out of account."""
    return np.ascontiguousarray(headers["stamp"]).view(f"S{DIGEST_BYTES}")
