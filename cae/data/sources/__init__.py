"""The sources of images, a module each: `load` opens a source, `find_shape` opens as little as tells its images' shape.

To add one, write its section in `cae/config/data.py` and its module here, and add a row to `MODULES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cae.config.data import (
    AnyData,
    ArrayData,
    BundledData,
    DataSection,
    IdxData,
    ImageFolderData,
    MemoryData,
    OwnData,
    StandardData,
    TfrecordData,
)

MODULES: dict[type[AnyData], str] = {
    BundledData: "cae.data.sources.standard",
    StandardData: "cae.data.sources.standard",
    ImageFolderData: "cae.data.sources.folder",
    TfrecordData: "cae.data.sources.tfrecord",
    ArrayData: "cae.data.sources.arrays",
    IdxData: "cae.data.sources.arrays",
    MemoryData: "cae.data.sources.memory",
    OwnData: "cae.data.sources.memory",
}
"""By name, since a shape that is known should not wait for what decodes images."""


def source_of(section: AnyData) -> Any:
    """The module of a section's source.

    It has `load(section, progress)`, which returns `Parts`, and `find_shape(section)`, which returns
    (height, width, channels) of the training images before fitting.
    """
    return import_module(next(MODULES[one] for one in type(section).__mro__ if one in MODULES))


def find_image_shape(section: DataSection) -> tuple[int, int, int]:
    """Find (height, width, channels) after fitting; opens no more than a file's header, and that only where needed.

    >>> from cae.config.data import BundledData
    >>> find_image_shape(BundledData(image_size=(14, 20)))
    (14, 20, 1)

    Raises:
        UserError: the shape depends on a file, and that is missing or unreadable.
    """
    if section.image_size is not None and section.channels is not None:
        return (*section.image_size, section.channels)
    height, width, channels = section.own_shape or source_of(section).find_shape(section)
    return (*(section.image_size or (height, width)), section.channels or channels)


def known_image_shape(section: DataSection) -> tuple[int | None, int | None, int | None]:
    """(height, width, channels) as far as the configuration alone tells; opens nothing.

    >>> from cae.config.data import ImageFolderData
    >>> known_image_shape(ImageFolderData(channels=3))
    (None, None, 3)
    """
    own = section.own_shape or (None, None, None)
    height, width = section.image_size or own[:2]
    return (height, width, section.channels or own[2])
