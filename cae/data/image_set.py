"""Image sets: random access to images, the three parts of a data set, and the set of images that lie in one array."""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from cae.data.formats.image_lists import with_bad
from cae.data.identity import Look, identify
from cae.data.pixels import has_colors, pixel_type, stretch, to_channels, to_pixels
from cae.errors import RunWarning

WHOLE_BATCH = slice(None)

Progress = Callable[[int, int], None]
"""Called now and then while images are looked at, with the number done and the number of all."""


class ImageSet(Protocol):
    """A random-access set of images, all of the same shape."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image that `read` gives."""

    @property
    def names(self) -> Sequence[str]:
        """One name per image: the file's name relative to its folder, or the image's index as text.

        File names are as the file system has them; `cae.files.printable` makes them fit for a message.
        """

    @property
    def labels(self) -> np.ndarray | None:
        """One integer class per image where the source has classes; never used in training."""

    def __len__(self) -> int: ...

    def first_look(self) -> Look:
        """Look at the images without reading them as a whole, to know them again another time."""

    def take(self, indices: np.ndarray) -> ImageSet:
        """Make a set of the images at these positions, in this order."""

    def read(self, indices: np.ndarray, seed: tuple[int, int] | None = None, part: slice = WHOLE_BATCH) -> np.ndarray:
        """Read images.

        Args:
            indices: positions in the set, integers in [0, len), in any order and any number, none included.
            seed: fixes the places of random patches; for training only. Without it, the same image is always the same.
            part: reads these of the images only; their random places are the ones they have in the whole batch.

        Returns:
            (batch, height, width, channels); uint8, or float32 in [0, 1] where the source has more than 8 bits. All
            batches of a set have the same type.

        Raises:
            UserError: a file can no longer be read.
        """

    def read_whole(self, index: int) -> np.ndarray:
        """Read one image at its own size, neither stretched nor cut: (its height, its width, channels).

        Raises:
            BadImageError: it can no longer be read.
        """


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set; no image is in two of them."""

    train: ImageSet
    """What the weights are fitted to."""
    validation: ImageSet
    """Watched while training; the same images in every run on this data."""
    test: ImageSet
    """Never used in training."""
    skipped: int = 0
    """Bad images that the scan left out, with `on_bad_image: skip`."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Files that broke after the scan, with the reasons, when `on_bad_image: skip` put another image in their place."""
    class_names: Sequence[str] = ()
    """Names of the classes that labels number, where they have names; labels are never used in training."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where a part comes from: `held out`, `folder test`, `array x_val`, `data.test_path`."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many files were left out, by kind: endings, folders, `lost link` and so on; not the bad ones."""
    value_range: tuple[float, float] | None = None
    """The stored values that became 0 and 1, where the section says [low, high] or they were observed."""
    notes: Sequence[str] = ()
    """How images were read, and what is doubtful about it, a sentence each."""
    warnings: list[RunWarning] = field(default_factory=list)
    """What makes these images doubtful; what is noticed while they are read is added then."""

    @property
    def numbers(self) -> dict[str, int]:
        """How many images each part has."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    @functools.cached_property
    def identities(self) -> dict[str, dict[str, Any]]:
        """Which images each part has; see `cae.data.identity.identify`."""
        return {part: identify(getattr(self, part)) for part in self.numbers}

    @property
    def all_left_out(self) -> dict[str, int]:
        """How many files were left out, by kind, the bad ones included."""
        return with_bad(self.left_out, self.skipped)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels), the same in all parts."""
        return self.train.image_shape


_OBSERVED_BYTES = 1 << 26
# Of a mapped array each image that is looked at brings a page into memory; how many there are is compared anyhow.
_MOST_LOOKED_AT = 4096
COLOR_SAMPLE = 8
"""Images of a set that are looked at for colours: each may be a photograph that has to be decoded."""


def spread_over(number: int, most: int) -> np.ndarray:
    """Choose at most so many positions, all over a set.

    >>> spread_over(9, 3), spread_over(2, 3)
    (array([0, 4, 8]), array([0, 1]))
    """
    return np.unique(np.linspace(0, number - 1, min(number, most)).round().astype(int))


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

    @property
    def loses_colors(self) -> bool:
        """Whether images with colours are read in gray, as far as a few of them tell."""
        if self.image_shape[2] == 3 or len(self._array.shape) == 3:
            return False
        return has_colors(np.asarray(self._array[self._rows[spread_over(len(self), COLOR_SAMPLE)]]))

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

    @property
    def storage(self) -> Hashable:
        """See `cae.data.dividing.Comparable`: the type and the shape of a stored image."""
        shape = self._array.shape
        return str(self._array.dtype), shape[1:3], 1 if len(shape) == 3 else shape[3]

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

    def first_look(self) -> Look:
        """Look at the images' places in the array, and at the middle row of some of them, spread over the set.

        Nothing of an array that is neither in memory nor mapped.
        """
        if not isinstance(self._array, np.ndarray):
            return Look("none")
        pixels = self._array[self._rows[spread_over(len(self), _MOST_LOOKED_AT)], self._array.shape[1] // 2]
        return Look("rows", [self._rows.astype("<i8").tobytes(), pixels.tobytes()])

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
