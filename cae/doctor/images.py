"""The images of a configuration: a quick look that opens a few, however many there are."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from cae.config.data import ImageFolderData, PictureData, StandardData, TfrecordData
from cae.doctor import Finding, ok, problem, warning
from cae.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from cae.config.data import DataSection
    from cae.data.pixel_cache import PixelCache

_SAMPLE = 16
_REMEDY = "see the message, and data.path in the configuration"


def check_images(section: DataSection) -> list[Finding]:
    """Whether the images are there, a sample of them can be read, and `data.cache` has room for all.

    Nothing is downloaded or written.
    """
    started = time.monotonic()
    try:
        found, cache = _look_into_folder(section) if isinstance(section, ImageFolderData) else _look_into_set(section)
    except UserError as error:
        return [problem("images", str(error).rstrip("."), _REMEDY)]
    images = ok("images", f"{found} ({time.monotonic() - started:.1f} s)")
    if cache is None or not isinstance(section, PictureData):
        return [images]
    return [images, _check_cache(section, cache)]


def _check_cache(section: PictureData, cache: PixelCache) -> Finding:
    if shortage := cache.shortage():
        room = "set XDG_CACHE_HOME to a folder with more room" if section.cache == "disk" else "set data.cache to disk"
        return warning("cache", shortage.rstrip("."), f"{room}, data.cache to none, or data.image_size smaller")
    return ok("cache", f"all images decoded take {cache.needed / 1e9:,.1f} GB, for which there is room")


def _look_into_folder(section: ImageFolderData) -> tuple[str, PixelCache | None]:
    """List the files and decode some, evenly over each part; training scans every header."""
    import numpy as np

    from cae.data.dividing import parts_in_words
    from cae.data.formats.image_files import BadImageError, decode
    from cae.data.sources.folder_parts import find_parts

    parts = find_parts(section)
    bad, decoded = [], []
    for part in parts.files.values():
        for path in _even_sample(part.paths):
            try:
                pixels = decode(path, section.max_pixels, section.background)
            except BadImageError as error:
                bad.append(f"{path!r}: {error}")
            else:
                decoded.append((*pixels.shape[:2], pixels.dtype))
    if bad and section.on_bad_image == "error":
        raise UserError(f"{len(bad)} images of a sample cannot be read: {'; '.join(bad[:3])}.")
    skipped = f", {len(bad)} of which will be skipped" if bad else ""
    numbers = {name: len(part.names) for name, part in parts.files.items()}
    found = "; ".join([parts_in_words(numbers, parts.origins, parts.left_out), *parts.notes])
    cache = None
    if decoded:
        cache = _plan_cache(
            section,
            (*(section.image_size or decoded[0][:2]), section.channels),
            max((dtype for *_, dtype in decoded), key=lambda dtype: dtype.itemsize),
            [part.root for part in parts.files.values()],
            np.resize([size for *size, _ in decoded], (sum(numbers.values()), 2)),
        )
    return f"files: {found}; a sample of {_SAMPLE} in each part was decoded{skipped}", cache


def _look_into_set(section: DataSection) -> tuple[str, PixelCache | None]:
    import numpy as np

    from cae.data.dividing import parts_in_words
    from cae.data.load import load_splits
    from cae.data.sources.standard import is_on_this_machine

    if isinstance(section, StandardData) and not is_on_this_machine(section):
        return f"{section.source} is not on this machine yet: training will download it", None
    splits = load_splits(section)
    for part in (splits.train, splits.validation, splits.test):
        part.read(np.unique(np.linspace(0, len(part) - 1, _SAMPLE).astype(np.int64)))
    found = parts_in_words(splits.numbers, splits.origins, splits.all_left_out)
    cache = None
    if isinstance(section, TfrecordData):
        dtype = splits.train.read(np.empty(0, np.int64)).dtype
        sizes = np.resize(splits.image_shape[:2], (sum(splits.numbers.values()), 2))
        roots = [Path(section.path or ""), *section.given_parts.values()]
        cache = _plan_cache(section, splits.image_shape, dtype, roots, sizes)
    return f"{found}; a sample of each part was read", cache


def _plan_cache(
    section: PictureData, image_shape: tuple[int, int, int], dtype: np.dtype, roots: list[Path], sizes: np.ndarray
) -> PixelCache | None:
    """Make the cache that training would have, without the content of any image; it is only asked for its size."""
    import numpy as np

    from cae.caches import DIGEST_BYTES
    from cae.data.pixel_cache import make_pixel_cache

    return make_pixel_cache(
        section,
        image_shape,
        dtype,
        place=[os.path.abspath(root) for root in roots],
        stamps=np.zeros(len(sizes), f"V{DIGEST_BYTES}"),
        sizes=sizes,
    )


def _even_sample(paths: list[str]) -> list[str]:
    """Up to `_SAMPLE` of them, first and last included.

    Example:
        >>> _even_sample([str(number) for number in range(31)])[:3]
        ['0', '2', '4']
    """
    if len(paths) <= _SAMPLE:
        return paths
    return [paths[round(number * (len(paths) - 1) / (_SAMPLE - 1))] for number in range(_SAMPLE)]
