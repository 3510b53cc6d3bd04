"""The shape of a data set's images, from as little as can be looked at."""

from __future__ import annotations

from cae.config.data import ArrayData, DataSection, IdxData, ImageFolderData, TfrecordData

# (height, width, channels) of the public data sets, by `data.source`.
STANDARD_SHAPES = {
    "bundled": (28, 28, 1),
    "mnist": (28, 28, 1),
    "fashion_mnist": (28, 28, 1),
    "cifar10": (32, 32, 3),
    "cifar100": (32, 32, 3),
}


def find_image_shape(section: DataSection) -> tuple[int, int, int]:
    """Find (height, width, channels) after fitting; opens no more than a file's header, and that only where needed.

    >>> from cae.config.data import BundledData
    >>> find_image_shape(BundledData(image_size=(14, 20)))
    (14, 20, 1)

    Raises:
        UserError: The shape depends on a file, and that is missing or unreadable.
    """
    if section.image_size is not None and section.channels is not None:
        return (*section.image_size, section.channels)
    height, width, channels = _find_own_shape(section)
    return (*(section.image_size or (height, width)), section.channels or channels)


def known_image_shape(section: DataSection) -> tuple[int | None, int | None, int | None]:
    """(height, width, channels) as far as the configuration alone tells; opens nothing.

    >>> from cae.config.data import ImageFolderData
    >>> known_image_shape(ImageFolderData(channels=3))
    (None, None, 3)
    """
    own = STANDARD_SHAPES.get(section.source, (None, None, None))
    height, width = section.image_size or own[:2]
    return (height, width, section.channels or own[2])


def _find_own_shape(section: DataSection) -> tuple[int, int, int]:
    # Imported where it is needed: a shape that is known should not wait for what decodes images.
    if isinstance(section, ImageFolderData):
        from cae.data.folder import find_folder_shape

        return find_folder_shape(section)
    if isinstance(section, TfrecordData):
        from cae.data.records import find_records_shape

        return find_records_shape(section)
    if isinstance(section, ArrayData | IdxData):
        from cae.data.arrays import find_arrays_shape, find_idx_shape

        return find_arrays_shape(section) if isinstance(section, ArrayData) else find_idx_shape(section)
    return STANDARD_SHAPES[section.source]
