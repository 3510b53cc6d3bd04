"""A look at every image file before training: headers, sizes, ends; no pixels are decoded where that can be avoided."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from cae.data.file_errors import printable
from cae.data.image_file import BadImageError, ImageHeader, decode, read_header
from cae.errors import UserError

Progress = Callable[[int, int], None]

_BLOCK = 512
_NAMED_FILES = 20


@dataclass
class Findings:
    """What a scan found; grows with the number of bad files and of different sizes, not with the number of files."""

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
    """
    findings = Findings()

    def look(path: str) -> ImageHeader | str:
        try:
            return _inspect(path, max_pixels, least_size)
        except BadImageError as error:
            return str(error)

    with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as threads:
        # Block by block, because a pool makes its thousands of task objects at once.
        for start in range(0, len(paths), _BLOCK):
            block = paths[start : start + _BLOCK]
            for position, result in enumerate(threads.map(look, block), start):
                if isinstance(result, str):
                    findings.bad[position] = result
                else:
                    findings.sizes.setdefault((result.height, result.width), position)
                    findings.deep |= result.deep
            if progress is not None:
                progress(start + len(block), len(paths))
    return findings


def bad_images_error(paths: Sequence[str], bad: dict[int, str]) -> UserError:
    """Make the one error that names the bad files: the first 20, and the number of the others."""
    lines = [f"{len(bad)} of {len(paths)} image files cannot be used; `data.on_bad_image: skip` would leave them out:"]
    lines += [f"  {printable(paths[position])}: {reason}" for position, reason in list(bad.items())[:_NAMED_FILES]]
    if len(bad) > _NAMED_FILES:
        lines.append(f"  and {len(bad) - _NAMED_FILES} more")
    return UserError("\n".join(lines))


def _inspect(path: str, max_pixels: int, least_size: tuple[int, int]) -> ImageHeader:
    header = read_header(path, max_pixels)
    if header.height < least_size[0] or header.width < least_size[1]:
        raise BadImageError(
            f"its size {header.height}x{header.width} (height x width) is smaller than the patch "
            f"{least_size[0]}x{least_size[1]} of `data.image_size`"
        )
    if not header.complete:
        decode(path, max_pixels, background=(0, 0, 0))
    return header
