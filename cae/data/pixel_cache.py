"""Where decoded and fitted images are kept between epochs: nowhere, in memory, or on disk also between runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import PIL

from cae.config.data import PictureData
from cae.data.disk_cache import DiskCache
from cae.machine import available_memory, find_limits, this_machine

# Left for the program and a training step: a tenth and these bytes, or half where that is less.
_LEFT_BYTES = 3_000_000_000


class PixelCache(Protocol):
    """Images by number; what it gives back is what was put in, bit for bit."""

    @property
    def needed(self) -> int:
        """Bytes that all images take."""

    def shortage(self) -> str:
        """Say that there is no room for all images, with figures, and what follows; empty where there is."""

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
    """Keeps images in memory as long as the data set is in use, as many as there is room for.

    >>> cache = MemoryCache()
    >>> cache.put(7, np.ones((1, 2, 1), np.uint8), b"")
    >>> cache.get(7).tolist(), cache.get(8)
    ([[[1], [1]]], None)
    """

    def __init__(self, needed: int = 0) -> None:
        self.needed = needed
        machine = this_machine()
        self._available = available_memory(machine, find_limits(machine))
        self._room = None if self._available is None else _room_in(self._available)
        self._left = self._room
        self._images: dict[int, np.ndarray] = {}

    def shortage(self) -> str:
        """Say that some images only will be kept."""
        if self._available is None or self._room is None or self.needed <= self._room:
            return ""
        return (
            f"data.cache: memory: all images decoded take {self.needed / 1e9:,.1f} GB, and of memory"
            f" {self._available / 1e9:,.1f} GB are available: {self._room / self.needed:.0%} of them are kept, the"
            " others are decoded each time."
        )

    def get(self, number: int) -> np.ndarray | None:
        """Give an image; None when it is not there."""
        return self._images.get(number)

    def put(self, number: int, image: np.ndarray, stamp: bytes) -> None:
        """Keep an image, if there is room left."""
        if self._left is not None:
            if image.nbytes > self._left:
                return
            self._left -= image.nbytes
        self._images[number] = image


def _room_in(available: int) -> int:
    return max(available // 2, available * 9 // 10 - _LEFT_BYTES)


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
    shapes: np.ndarray | tuple[int, ...] = image_shape
    if section.random_patches:  # whole pictures are kept, since each epoch cuts them elsewhere
        shapes = np.concatenate([sizes, np.full((len(sizes), 1), image_shape[2])], axis=1)
    if section.cache == "memory":
        # In floating point, since sizes that a user may ask for have products of any length.
        total = np.broadcast_to(np.asarray(shapes, np.float64), (len(stamps), 3)).prod(axis=1).sum()
        return MemoryCache(int(total) * dtype.itemsize)
    # Another version of Pillow may decode or resize to other values.
    ways = (image_shape, section.image_size, section.fit, section.random_patches, section.background, PIL.__version__)
    scale = [] if section.value_range == "type" else [section.value_range]
    return DiskCache([*place, *ways, *scale], stamps, shapes, dtype)


def shortages(cache: PixelCache | None) -> list[str]:
    """What should be known of a cache that has no room for all images."""
    return [note] if cache is not None and (note := cache.shortage()) else []
