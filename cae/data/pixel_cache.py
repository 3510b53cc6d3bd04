"""Where decoded and fitted images are kept between epochs: nowhere, in memory, or on disk also between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import PIL

from cae.config.data import PictureData
from cae.data.disk_cache import DiskCache


class PixelCache(Protocol):
    """Images by number; what it gives back is what was put in, bit for bit."""

    def get(self, number: int) -> np.ndarray | None:
        """Give an image, which must not be changed; None when it is not there."""

    def put(self, number: int, image: np.ndarray, stamp: bytes) -> None:
        """Keep an image.

        Args:
            number: The image's number.
            image: (height, width, channels).
            stamp: Tells what content the image was decoded from, when that can change.
        """


class MemoryCache:
    """Keeps images in memory as long as the data set is in use.

    >>> cache = MemoryCache()
    >>> cache.put(7, np.ones((1, 2, 1), np.uint8), b"")
    >>> cache.get(7).tolist(), cache.get(8)
    ([[[1], [1]]], None)
    """

    def __init__(self) -> None:
        self._images: dict[int, np.ndarray] = {}

    def get(self, number: int) -> np.ndarray | None:
        """Give an image; None when it is not there."""
        return self._images.get(number)

    def put(self, number: int, image: np.ndarray, stamp: bytes) -> None:
        """Keep an image."""
        self._images[number] = image


def make_pixel_cache(
    section: PictureData,
    image_shape: tuple[int, int, int],
    dtype: np.dtype,
    *,
    place: Sequence[str],
    stamps: np.ndarray,
    sizes: np.ndarray,
) -> PixelCache | None:
    """Make the cache that a section asks for; None for `cache: none`.

    Args:
        section: How images are read and fitted.
        image_shape: (height, width, channels) that every image is brought to.
        dtype: Type of the images.
        place: Where the data set lies.
        stamps: (images,) the content of every image.
        sizes: (images, 2) heights and widths of the images before they are fitted.
    """
    if section.cache == "none":
        return None
    if section.cache == "memory":
        return MemoryCache()
    shapes: np.ndarray | tuple[int, ...] = image_shape
    if section.random_patches:  # whole pictures are kept, since each epoch cuts them elsewhere
        shapes = np.concatenate([sizes, np.full((len(sizes), 1), image_shape[2])], axis=1)
    # Another version of Pillow may decode or resize to other values.
    ways = (image_shape, section.image_size, section.fit, section.random_patches, section.background, PIL.__version__)
    return DiskCache([*place, *ways], stamps, shapes, dtype)
