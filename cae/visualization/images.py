"""Images that you name on the command line, fitted as the run's own were."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.config.data import ArrayData, IdxData, ImageFolderData, PictureData
from cae.data.dividing import Parts
from cae.data.formats.image_headers import bad_images_error, scan
from cae.data.formats.image_lists import EXTENSIONS, list_images
from cae.data.image_set import Progress
from cae.data.sources.arrays import load_given
from cae.data.sources.folder import FolderSet, load
from cae.data.sources.folder_parts import FolderParts
from cae.data.value_range import given_range, range_for
from cae.files import file_error

if TYPE_CHECKING:
    from cae.config.data import DataSection

_ARRAY_ENDINGS = (".npy", ".npz", ".h5", ".hdf5")


def open_images(
    path: Path, section: DataSection, image_shape: tuple[int, int, int], progress: Progress | None = None
) -> Parts[Any]:
    """Open a folder of images at any depth, one image file, an array file, or an IDX file.

    All images are brought to the shape that the model takes. An array file with training and test arrays gives the
    training images.

    Args:
        path: what the user named.
        section: the run's `data` section; the way in which an image folder was fitted is kept.
        image_shape: (height, width, channels) that the model takes.
        progress: called now and then while a folder is scanned.

    Returns:
        The images as a training part, with what is to be said of them.

    Raises:
        UserError: there is nothing, or nothing that can be read as images.
    """
    shape: dict[str, Any] = {"image_size": image_shape[:2], "channels": image_shape[2]}
    if not path.exists():
        raise file_error(path, "there is no such file or folder.")
    if path.is_dir():
        files = list_images(path)
        parts = FolderParts({"train": files}, {}, files.left_out, [])
        return load(_folder_section(path, section, shape), progress, parts)
    ending = path.suffix.lower()
    if ending in EXTENSIONS:
        return Parts(_open_one(path, _folder_section(path.parent, section, shape), image_shape))
    if ending in _ARRAY_ENDINGS:
        return load_given(ArrayData(path=str(path), **shape), given_range(section))
    return load_given(IdxData(path=str(path), **shape), given_range(section))


def _folder_section(path: Path, section: DataSection, shape: dict[str, Any]) -> ImageFolderData:
    """The run's own way with image files; one that was trained on something else has no key to say what of bad ones."""
    is_own = isinstance(section, PictureData)
    own: dict[str, Any] = (
        section.model_dump(exclude={"source", "validation_path", "test_path"}) if is_own else {"on_bad_image": "skip"}
    )
    if not is_own:
        own["value_range"] = range_for(np.dtype(np.uint8), given_range(section)) or "type"
    return ImageFolderData(**{**own, "path": str(path), **shape})


def _open_one(path: Path, section: ImageFolderData, image_shape: tuple[int, int, int]) -> FolderSet:
    least = image_shape[:2] if section.fit == "patch" else (1, 1)
    findings = scan([str(path)], section.max_pixels, least_size=least)
    if findings.bad:
        raise bad_images_error([str(path)], findings.bad)
    return FolderSet(
        path.parent,
        [path.name],
        None,
        section=section,
        image_shape=image_shape,
        dtype=np.dtype(np.float32 if findings.deep or given_range(section) else np.uint8),
        replaced={},
    )
