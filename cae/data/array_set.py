"""Images that lie in one array."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np

from cae.data.image_set import WHOLE_BATCH
from cae.data.pixels import pixel_type, stretch, to_channels, to_pixels

_OBSERVED_BYTES = 1 << 26


class ImageArray(Protocol):
    """A NumPy array, or something on disk that can be indexed like one along its first axis."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(images, height, width) or (images, height, width, 1 or 3)."""

    @property
    def dtype(self) -> np.dtype:
        """A type that `cae.data.pixels.to_pixels` takes."""

    def __getitem__(self, key: Any) -> np.ndarray: ...


class ArraySet:
    """An image set over one array: in memory, memory-mapped, or in an HDF5 file.

    >>> images = ArraySet(np.zeros((10, 4, 6), np.uint8), image_size=(2, 3), channels=3)
    >>> len(images), images.image_shape, images.read(np.array([7, 1])).shape
    (10, (2, 3, 3), (2, 2, 3, 3))

    Args:
        array: (images, height, width) or (images, height, width, 1 or 3); bool, uint8, uint16, or floating point
            already in [0, 1]; with a range any integers or floating point.
        labels: one integer per image of `array`.
        image_size: height and width to stretch every image to; None leaves them.
        channels: 1 or 3; None leaves them.
        rows: the images of `array` that belong to the set; None for all.
        value_range: the values that become 0 and 1; None for what the type says.
    """

    def __init__(
        self,
        array: ImageArray,
        *,
        labels: np.ndarray | None = None,
        image_size: tuple[int, int] | None = None,
        channels: int | None = None,
        rows: np.ndarray | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self._array = array
        self._all_labels = labels
        self._value_range = value_range
        self._rows = np.arange(array.shape[0]) if rows is None else rows
        height, width = image_size or array.shape[1:3]
        self.image_shape = (height, width, channels or (1 if len(array.shape) == 3 else array.shape[3]))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def names(self) -> Sequence[str]:
        """Each image's index in the array, as text."""
        return [str(row) for row in self._rows]

    @property
    def labels(self) -> np.ndarray | None:
        """One integer class per image, where the source has classes."""
        return None if self._all_labels is None else self._all_labels[self._rows].astype(np.int64)

    def take(self, indices: np.ndarray) -> ArraySet:
        """Make a set of some of the images, over the same array."""
        return ArraySet(
            self._array,
            labels=self._all_labels,
            image_size=self.image_shape[:2],
            channels=self.image_shape[2],
            rows=self._rows[indices],
            value_range=self._value_range,
        )

    def fingerprints(self) -> Sequence[Callable[[np.ndarray], Sequence[Hashable]]]:
        """See `cae.data.dividing.Comparable`: first a row of pixels is looked at, then all of an image.

        Nothing of an array that is neither in memory nor mapped, where single images are slow to read.
        """
        if not isinstance(self._array, np.ndarray):
            return []
        array, row = self._array, self._array.shape[1] // 2
        return [
            lambda indices: [image.tobytes() for image in array[self._rows[indices], row]],
            lambda indices: [hashlib.blake2b(image.tobytes()).digest() for image in array[self._rows[indices]]],
        ]

    def observe(self) -> tuple[float, float]:
        """Find the lowest and the highest stored value of the set's images, a few of them at a time."""
        step = max(1, _OBSERVED_BYTES // (math.prod(self._array.shape[1:]) * self._array.dtype.itemsize))
        low, high = np.inf, -np.inf
        for first in range(0, len(self), step):
            values = self._array[self._rows[first : first + step]]
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        return low, high

    def read(self, indices: np.ndarray, seed: tuple[int, int] | None = None, part: slice = WHOLE_BATCH) -> np.ndarray:
        """Read images; nothing here is random, so `seed` changes nothing."""
        batch = self._read_stored(indices[part])
        if batch.shape[1:] == self.image_shape:
            return batch
        fitted = np.empty((len(batch), *self.image_shape), pixel_type(self._array.dtype, self._value_range))
        for position, image in enumerate(batch):
            fitted[position] = stretch(image, self.image_shape[:2])
        return fitted

    def read_whole(self, index: int) -> np.ndarray:
        """Read an image that is not stretched."""
        whole: np.ndarray = self._read_stored(np.array([index]))[0]
        return whole

    def _read_stored(self, indices: np.ndarray) -> np.ndarray:
        """Read images at the array's size, with the set's channels."""
        batch = to_pixels(np.asarray(self._array[self._rows[indices]]), self._value_range)
        return to_channels(batch[..., np.newaxis] if batch.ndim == 3 else batch, self.image_shape[2])
