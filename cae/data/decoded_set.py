"""Images that are decoded each time they are asked for, or kept on request."""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cae.config.data import PictureData
from cae.data.formats.image_files import BadImageError, Compression, decode, find_compression
from cae.data.identity import Look
from cae.data.image_set import COLOR_SAMPLE, WHOLE_BATCH, spread_over
from cae.data.pixel_cache import PixelCache
from cae.data.pixels import crop, cut_patch, has_colors, stretch, to_channels, to_float
from cae.data.value_range import ValuesSeen, given_range
from cae.errors import UserError
from cae.files import printable

# Images of a set that are looked at for their brightness; one is enough unless they are very dark.
_LOOKED_AT = 64
# Images that are waited for at a time while all of them are observed.
_IN_FLIGHT = 1000


class DecodedSet(ABC):
    """What image sets over encoded images have in common, wherever the bytes come from.

    Where an image breaks after the scan, `on_bad_image: error` raises an error that names it, and
    `on_bad_image: skip` gives the next readable image of the same set in its place and notes it in `replaced`.

    Args:
        labels: one integer per image.
        section: how images are read and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any image of the data has more than 8 bits, and on a range.
        replaced: takes broken images with reasons; shared by the parts of a data set.
        numbers: each image's number in the data set, which is its number in the cache.
        cache: keeps images; shared by the parts of a data set. None keeps nothing.
        seen: is shown the stored values of each image that is decoded.
    """

    def __init__(
        self,
        labels: np.ndarray | None,
        *,
        section: PictureData,
        image_shape: tuple[int, int, int],
        dtype: np.dtype,
        replaced: MutableMapping[str, str],
        numbers: np.ndarray,
        cache: PixelCache | None,
        seen: ValuesSeen | None = None,
    ) -> None:
        self.labels = labels
        self.image_shape = image_shape
        self._section = section
        self._dtype = dtype
        self._replaced = replaced
        self._numbers = numbers
        self._cache = cache
        self._seen = seen
        self._value_range = given_range(section)
        self.loses_colors = False
        """Whether an image that was decoded has colours and is read in gray."""

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """One name per image."""

    @abstractmethod
    def take(self, indices: np.ndarray) -> DecodedSet:
        """Make a set of the images at these positions, in this order."""

    @abstractmethod
    def first_look(self) -> Look:
        """Look at the images without reading them as a whole, to know them again another time."""

    def __len__(self) -> int:
        return len(self._numbers)

    @abstractmethod
    def _source(self, index: int) -> str | bytes:
        """Where an image's file is, or what it holds; raises BadImageError."""

    @abstractmethod
    def _stamp(self, index: int) -> bytes:
        """What the image's content is now, for the cache."""

    @abstractmethod
    def _title(self, index: int) -> str:
        """Where the image is, for messages."""

    def read(
        self,
        indices: np.ndarray,
        seed: tuple[int, int] | None = None,
        part: slice = WHOLE_BATCH,
        places: np.ndarray | None = None,
    ) -> np.ndarray:
        """Decode and fit images; with `random_patches` and a seed, each is cut at a place of its own.

        Args:
            indices: positions in the set.
            seed: of random places.
            part: of the batch that is read.
            places: (batch, 2), where patches are cut that are not random, from 0 to below 1; None for the middle.

        Raises:
            UserError: an image has vanished or broken since the scan.
        """
        if self._section.random_patches and seed is not None:
            # The third word keeps these numbers apart from the ones that order an epoch.
            places = np.random.default_rng([*seed, 1]).random((len(indices), 2))
        indices, places = indices[part], None if places is None else places[part]
        batch = np.empty((len(indices), *self.image_shape), self._dtype)
        loaded: int | None = None
        # By pictures: each is decoded once for all of its patches, and only one is held at a time.
        for position in np.argsort(indices, kind="stable"):
            if indices[position] != loaded:
                loaded = int(indices[position])
                image = self._load(loaded)
            if self._section.keeps_pictures:
                place = None if places is None else (places[position, 0], places[position, 1])
                batch[position] = cut_patch(image, self.image_shape[:2], place)
            else:
                batch[position] = image
        return batch

    def read_whole(self, index: int) -> np.ndarray:
        """Decode an image, whose depth is its own: uint8 or float32."""
        return to_channels(self._decode(index), self.image_shape[2])

    def compression(self, index: int) -> Compression | None:
        """How an image's file was compressed with loss; see `find_compression`."""
        return find_compression(self._source(index), self._section.max_pixels)

    def look(self) -> None:
        """Decode a few images all over the set: until one has colours, if gray is read, and one is not nearly black."""
        if self.image_shape[2] == 1:
            self._look_until(lambda: self.loses_colors, COLOR_SAMPLE)
        self._look_until(lambda: self._seen is None or self._seen.is_bright, _LOOKED_AT)

    def _look_until(self, is_known: Callable[[], bool], most: int) -> None:
        for index in spread_over(len(self), most):
            if is_known():
                return
            with contextlib.suppress(BadImageError):  # reading will tell
                self._decode(int(index))

    def observe(self) -> tuple[float, float]:
        """Find the lowest and the highest stored value of the set's images; decodes each of them once.

        Raises:
            UserError: an image cannot be decoded, and `on_bad_image: skip` does not say to leave it out.
        """

        def find(index: int) -> tuple[float, float]:
            found = [(np.inf, -np.inf)]

            def watch(values: np.ndarray) -> None:
                if values.size:
                    found.append((float(values.min()), float(values.max())))

            section = self._section
            try:
                # With any range, values are shown before transparency changes them.
                decode(self._source(index), section.max_pixels, section.background, (0.0, 1.0), watch)
            except BadImageError as error:
                if section.on_bad_image == "error":
                    raise self._unreadable(index, str(error)) from error
            return found[-1]

        low, high = np.inf, -np.inf
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            for first in range(0, len(self), _IN_FLIGHT):
                for one in threads.map(find, range(first, min(first + _IN_FLIGHT, len(self)))):
                    low, high = min(low, one[0]), max(high, one[1])
        return low, high

    def _decode(self, index: int) -> np.ndarray:
        def watch(values: np.ndarray) -> None:
            if self._seen is not None:
                self._seen.note(values, int(self._numbers[index]))

        section = self._section
        pixels = decode(self._source(index), section.max_pixels, section.background, self._value_range, watch)
        if self.image_shape[2] == 1 and not self.loses_colors:
            self.loses_colors = has_colors(pixels)
        return pixels

    def _unreadable(self, index: int, reason: str) -> UserError:
        title = printable(self._title(index))
        return UserError(f"{title}: the image cannot be read: {reason}; `data.on_bad_image: skip` goes on without it.")

    def _load(self, index: int) -> np.ndarray:
        """Load an image, or with `on_bad_image: skip` the next one that can be loaded."""
        reason = ""
        for candidate in ((index + step) % len(self) for step in range(len(self))):
            try:
                return self._load_one(candidate)
            except BadImageError as error:
                reason = str(error)
            if self._section.on_bad_image == "error":
                raise self._unreadable(candidate, reason)
            self._replaced[printable(self._title(candidate))] = reason
        raise UserError(
            f"{printable(self._title(index))}: none of the {len(self)} images of a part can be read any more: {reason}."
        )

    def _load_one(self, index: int) -> np.ndarray:
        number = int(self._numbers[index])
        if self._cache is not None and (kept := self._cache.get(number)) is not None:
            return kept
        image = self._fit(self._decode(index))
        if self._cache is not None:
            # Asked for after decoding: a file that changed until now has another stamp than the scan found.
            self._cache.put(number, image, self._stamp(index))
        return image

    def _fit(self, image: np.ndarray) -> np.ndarray:
        """Bring an image to the set's type, channels and size; patches that differ each time are left to be cut."""
        image = to_channels(image, self.image_shape[2])
        if self._dtype == np.float32:
            image = to_float(image)
        size = self.image_shape[:2]
        if self._section.fit == "patch":
            fits = image.shape[0] >= size[0] and image.shape[1] >= size[1]
            if fits and not self._section.keeps_pictures:
                # A copy, so that the whole picture is not kept for the sake of its middle.
                image = cut_patch(image, size).copy()
        elif self._section.image_size is None:
            fits = image.shape[:2] == size
        else:
            image, fits = (crop if self._section.fit == "crop" else stretch)(image, size), True
        if not fits or image.dtype != self._dtype:
            raise BadImageError("its size or depth is not what it was")
        return image
