"""The source `image_folder`."""

from __future__ import annotations

import os

import numpy as np

from cae.config.data import ImageFolderData
from cae.data.dividing import Parts
from cae.data.file_errors import file_error, printable
from cae.data.folder_files import FileList
from cae.data.folder_parts import FolderParts, class_names, find_parts, number_classes
from cae.data.folder_set import FolderSet
from cae.data.header_cache import HeaderCache
from cae.data.image_file import BadImageError, read_header
from cae.data.pixel_cache import make_pixel_cache, shortages
from cae.data.scan import Findings, Progress, bad_images_error, scan
from cae.data.value_range import given_range, watch_values
from cae.errors import UserError
from cae.run_warning import RunWarning


def load_folder(
    section: ImageFolderData, progress: Progress | None = None, parts: FolderParts | None = None
) -> Parts[FolderSet]:
    """List the folder's files and look at each of them once; files that an earlier scan has seen are not opened.

    Args:
        section: Where the files are and how they are read.
        progress: Called now and then with the number of files looked at and the number of all files.
        parts: The files, where it is known which they are.

    Raises:
        UserError: A folder is missing or has no images, files are bad (each is named; with `on_bad_image: skip` they
            are left out instead), or sizes differ and no `image_size` is given.
    """
    parts = parts or find_parts(section)
    files, paths = parts.files, parts.paths
    least = section.image_size if section.fit == "patch" and section.image_size else (1, 1)
    roots = [str(part.root) for part in files.values()]
    findings = scan(paths, section.max_pixels, least_size=least, progress=progress, cache=HeaderCache(*roots))
    if findings.bad and section.on_bad_image == "error":
        raise bad_images_error(paths, findings.bad)
    image_shape = (*(section.image_size or _common_size(paths, findings)), section.channels)
    return _make_parts(section, parts, findings, image_shape)


def find_folder_shape(section: ImageFolderData) -> tuple[int, int, int]:
    """Find (height, width, channels) from the first file whose header can be read.

    That all files have this size is only seen by the scan.
    """
    train = find_parts(section).files["train"]
    for path in train.paths:
        try:
            header = read_header(path, section.max_pixels)
        except BadImageError:
            continue
        return (header.height, header.width, section.channels)
    raise _none_readable(train)


def _common_size(paths: list[str], findings: Findings) -> tuple[int, int]:
    if len(findings.sizes) > 1:
        examples = [
            f"{printable(paths[position])} {height}x{width}"
            for (height, width), position in list(findings.sizes.items())[:3]
        ]
        raise UserError(
            "All images must have the same size unless `data.image_size` is set. "
            f"Received {len(findings.sizes)} sizes (height x width), among them: {', '.join(examples)}."
        )
    return next(iter(findings.sizes), (1, 1))


def _make_parts(
    section: ImageFolderData, parts: FolderParts, findings: Findings, image_shape: tuple[int, int, int]
) -> Parts[FolderSet]:
    files = parts.files
    dtype = np.dtype(np.float32 if findings.deep or given_range(section) else np.uint8)
    cache = make_pixel_cache(
        section,
        image_shape,
        dtype,
        place=[os.path.abspath(part.root) for part in files.values()],
        stamps=findings.headers["stamp"],
        sizes=np.stack([findings.headers["height"], findings.headers["width"]], axis=-1),
    )
    replaced: dict[str, str] = {}
    warnings: list[RunWarning] = []
    sets: dict[str, FolderSet] = {}
    first = 0  # position of the part's first file among all files
    for (name, part), labels in zip(files.items(), number_classes(list(files.values())), strict=True):
        good = [index for index in range(len(part.names)) if first + index not in findings.bad]
        if not good:
            raise _none_readable(part)
        every_file = FolderSet(
            part.root,
            part.names,
            labels,
            section=section,
            image_shape=image_shape,
            dtype=dtype,
            replaced=replaced,
            numbers=first + np.arange(len(part.names)),
            cache=cache,
            seen=watch_values(section, str(part.root), warnings, first + len(part.names)),
        )
        sets[name] = every_file.take(np.array(good))
        first += len(part.names)
    names = class_names(list(files.values()))
    return Parts(
        sets["train"],
        sets.get("validation"),
        sets.get("test"),
        len(findings.bad),
        replaced,
        names,
        origins=parts.origins,
        left_out=parts.left_out,
        notes=[*parts.notes, *shortages(cache)],
        warnings=warnings,
    )


def _none_readable(part: FileList) -> UserError:
    return file_error(part.root, f"none of the {len(part.names)} image files in this folder can be read.")
