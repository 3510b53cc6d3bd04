"""The scan of image files: headers read once and remembered, problems named."""

from __future__ import annotations

import io
import itertools
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cae.atomic_files import replacing
from cae.caches import DIGEST_BYTES, digest, file_stamp, user_cache_folder
from cae.data.formats.image_files import BadImageError, ImageHeader, decode, read_header
from cae.data.image_set import Progress
from cae.errors import UserError
from cae.files import PARSING_ERRORS, open_regular, printable

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
        folders: the data set's folders.
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


_BLOCK = 512
_NAMED_FILES = 20


@dataclass
class Findings:
    """What a scan found; 26 bytes for each file, and more only for bad files and different sizes."""

    headers: np.ndarray
    """Of type `HEADER_TYPE`, one for each file; zeros for bad files."""
    bad: dict[int, str] = field(default_factory=dict)
    """Positions of bad files, with the reasons."""
    sizes: dict[tuple[int, int], int] = field(default_factory=dict)
    """Each (height, width) that occurs among good files, with the first file's position."""
    deep: bool = False
    """Whether any good file has more than 8 bits a channel."""


def scan(
    paths: Sequence[str],
    max_pixels: int,
    *,
    least_size: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
    cache: HeaderCache | None = None,
) -> Findings:
    """Read every file's header, several files at a time.

    Found are: missing, unreadable and empty files, files that are no image, with more than `max_pixels` pixels, smaller
    than `least_size`, or cut off: files without their format's end mark are decoded to see whether they can be. Damage
    in the middle of a file that has its end is not found here; reading finds it as far as the format has checksums
    (PNG) or the damage breaks the code (JPEG often just shows it).

    Args:
        paths: the files.
        max_pixels: most pixels that an image may have.
        least_size: least height and width in pixels.
        progress: called now and then with the number of files done and the number of all files.
        cache: headers of earlier scans; files that have not changed since are not opened. Takes what is found now.
    """
    findings = Findings(np.zeros(len(paths), HEADER_TYPE))
    unknown = 0

    def look(path: str) -> tuple[bytes, ImageHeader, bool] | str:
        try:
            return _look(path, max_pixels, least_size, cache)
        except BadImageError as error:
            return str(error)

    with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as threads:
        # Block by block, because a pool makes its thousands of task objects at once.
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            for position, result in enumerate(threads.map(look, block), start):
                if isinstance(result, str):
                    findings.bad[position] = result
                    continue
                stamp, header, was_known = result
                findings.headers[position] = (stamp, *header)
                findings.sizes.setdefault((header.height, header.width), position)
                findings.deep |= header.deep
                unknown += not was_known
            if progress is not None:
                progress(start + len(block), len(paths))
    good = len(paths) - len(findings.bad)
    if cache is not None and (unknown or len(cache) != good):
        cache.replace(findings.headers[findings.headers["height"] > 0])
    return findings


def bad_images_error(paths: Sequence[str], bad: dict[int, str], remedy: str = "data.on_bad_image: skip") -> UserError:
    """Make the one error that names the bad files: the first 20, and the number of the others."""
    return bad_pictures_error(len(paths), len(bad), ((paths[position], bad[position]) for position in bad), remedy)


def bad_pictures_error(
    total: int, num_bad: int, bad: Iterable[tuple[str, str]], remedy: str = "data.on_bad_image: skip"
) -> UserError:
    """Make the one error that names bad pictures, wherever they lie.

    Args:
        total: how many pictures there are.
        num_bad: how many of them are bad.
        bad: titles and reasons of the bad ones, of which the first 20 are shown.
        remedy: what would leave them out.
    """
    lines = [f"{num_bad} of {total} image files cannot be used; `{remedy}` would leave them out:"]
    lines += [f"  {printable(title)}: {reason}" for title, reason in itertools.islice(bad, _NAMED_FILES)]
    if num_bad > _NAMED_FILES:
        lines.append(f"  and {num_bad - _NAMED_FILES} more")
    return UserError("\n".join(lines))


def _look(
    path: str, max_pixels: int, least_size: tuple[int, int], cache: HeaderCache | None
) -> tuple[bytes, ImageHeader, bool]:
    """Find a file's stamp and header, and whether the header was known already."""
    # Before the file is read: should it change meanwhile, its header is kept under a stamp that never comes again.
    stamp = _stamp(path)
    header = cache.find(stamp) if cache is not None else None
    was_known = header is not None and header.height * header.width <= max_pixels
    if header is None or not was_known:
        header = read_header(path, max_pixels)
    if header.height < least_size[0] or header.width < least_size[1]:
        raise BadImageError(
            f"its size {header.height}x{header.width} (height x width) is smaller than the patch "
            f"{least_size[0]}x{least_size[1]} of `data.image_size`"
        )
    if not (was_known or header.complete):
        decode(path, max_pixels, background=(0, 0, 0))
    return stamp, header, was_known


def _stamp(path: str) -> bytes:
    """A file's stamp; for one that cannot even be looked at a stamp of its own, since reading it will say why."""
    try:
        return file_stamp(path)
    except OSError:
        return b""
