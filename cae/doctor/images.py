"""The images of a configuration: a quick look that opens a few, however many there are."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cae.config.data import ImageFolderData, StandardData
from cae.doctor.finding import Finding, ok, problem
from cae.errors import UserError

if TYPE_CHECKING:
    from cae.config.data import DataSection

_SAMPLE = 16
_REMEDY = "see the message, and data.path in the configuration"


def check_images(section: DataSection) -> Finding:
    """Whether the images are there and a sample of them can be read; nothing is downloaded or written."""
    started = time.monotonic()
    try:
        found = _look_into_folder(section) if isinstance(section, ImageFolderData) else _look_into_set(section)
    except UserError as error:
        return problem("images", str(error).rstrip("."), _REMEDY)
    return ok("images", f"{found} ({time.monotonic() - started:.1f} s)")


def _look_into_folder(section: ImageFolderData) -> str:
    """List the files and decode some, evenly over each part; training scans every header."""
    from cae.data.dividing import parts_in_words
    from cae.data.folder_parts import find_parts
    from cae.data.image_file import BadImageError, decode

    parts = find_parts(section)
    bad = []
    for part in parts.files.values():
        for path in _even_sample(part.paths):
            try:
                decode(path, section.max_pixels, section.background)
            except BadImageError as error:
                bad.append(f"{path!r}: {error}")
    numbers = {name: len(part.names) for name, part in parts.files.items()}
    if bad and section.on_bad_image == "error":
        raise UserError(f"{len(bad)} images of a sample cannot be read: {'; '.join(bad[:3])}.")
    skipped = f", {len(bad)} of which will be skipped" if bad else ""
    found = "; ".join([parts_in_words(numbers, parts.origins, parts.left_out), *parts.notes])
    return f"files: {found}; a sample of {_SAMPLE} in each part was decoded{skipped}"


def _look_into_set(section: DataSection) -> str:
    import numpy as np

    from cae.data.dividing import parts_in_words
    from cae.data.load import load_splits
    from cae.data.standard import is_on_this_machine

    if isinstance(section, StandardData) and not is_on_this_machine(section):
        return f"{section.source} is not on this machine yet: training will download it"
    splits = load_splits(section)
    for part in (splits.train, splits.validation, splits.test):
        part.read(np.unique(np.linspace(0, len(part) - 1, _SAMPLE).astype(np.int64)))
    found = parts_in_words(splits.numbers, splits.origins, splits.all_left_out)
    return f"{found}; a sample of each part was read"


def _even_sample(paths: list[str]) -> list[str]:
    """Up to `_SAMPLE` of them, first and last included.

    Example:
        >>> _even_sample([str(number) for number in range(31)])[:3]
        ['0', '2', '4']
    """
    if len(paths) <= _SAMPLE:
        return paths
    return [paths[round(number * (len(paths) - 1) / (_SAMPLE - 1))] for number in range(_SAMPLE)]
