"""A look at every image file before training: headers, sizes, ends; no pixels are decoded where that can be avoided."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from cae.data.file_errors import printable
from cae.data.header_cache import HEADER_TYPE, HeaderCache
from cae.data.image_file import BadImageError, ImageHeader, decode, read_header
from cae.data.user_cache import file_stamp
from cae.errors import UserError

Progress = Callable[[int, int], None]

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
        paths: The files.
        max_pixels: Most pixels that an image may have.
        least_size: Least height and width in pixels.
        progress: Called now and then with the number of files done and the number of all files.
        cache: Headers of earlier scans; files that have not changed since are not opened. Takes what is found now.
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
        total: How many pictures there are.
        num_bad: How many of them are bad.
        bad: Titles and reasons of the bad ones, of which the first 20 are shown.
        remedy: What would leave them out.
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
