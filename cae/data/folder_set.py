"""Images that are read from their files each time they are asked for, or kept on request."""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from pathlib import Path

import numpy as np

from cae.config.data import ImageFolderData
from cae.data.file_errors import file_error, printable
from cae.data.fitting import crop, cut_patch, stretch
from cae.data.image_file import BadImageError, decode
from cae.data.pixels import to_channels, to_float


class FolderSet:
    """An image set over image files; memory holds their names, and pixels only with `cache: memory`.

    Where a file breaks after the scan, `on_bad_image: error` raises an error that names it, and `on_bad_image: skip`
    gives the next readable image of the same set in its place and notes the file in `replaced`.

    Args:
        root: The folder.
        names: Files, relative to `root`.
        labels: One integer per file.
        section: How files are read and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any file of the data has more than 8 bits.
        replaced: Takes broken files with reasons; shared by the parts of a data set.
    """

    def __init__(
        self,
        root: Path,
        names: Sequence[str],
        labels: np.ndarray | None,
        *,
        section: ImageFolderData,
        image_shape: tuple[int, int, int],
        dtype: np.dtype,
        replaced: MutableMapping[str, str],
    ) -> None:
        self.names = names
        self.labels = labels
        self.image_shape = image_shape
        self._root = root
        self._section = section
        self._dtype = dtype
        self._replaced = replaced
        self._kept: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: np.ndarray) -> FolderSet:
        """Make a set of some of the files."""
        return FolderSet(
            self._root,
            [self.names[index] for index in indices],
            None if self.labels is None else self.labels[indices],
            section=self._section,
            image_shape=self.image_shape,
            dtype=self._dtype,
            replaced=self._replaced,
        )

    def read(self, indices: np.ndarray, seed: tuple[int, int] | None = None) -> np.ndarray:
        """Decode and fit images; with `random_patches` and a seed, each is cut at a place of its own.

        Raises:
            UserError: A file has vanished or broken since the scan.
        """
        batch = np.empty((len(indices), *self.image_shape), self._dtype)
        size = self.image_shape[:2]
        cut_at_random = self._section.random_patches and seed is not None
        # The third word keeps these numbers apart from the ones that order an epoch.
        places = np.random.default_rng([*(seed or (0, 0)), 1]).random((len(indices), 2)) if cut_at_random else None
        for position, index in enumerate(indices):
            image = self._load(int(index))
            if places is not None:
                image = cut_patch(image, size, (places[position, 0], places[position, 1]))
            elif self._section.fit == "patch":
                image = cut_patch(image, size)
            batch[position] = image
        return batch

    def _load(self, index: int) -> np.ndarray:
        """Load an image, or with `on_bad_image: skip` the next one that can be loaded."""
        reason = ""
        for candidate in ((index + step) % len(self) for step in range(len(self))):
            try:
                return self._load_one(candidate)
            except BadImageError as error:
                reason = str(error)
            name = self.names[candidate]
            if self._section.on_bad_image == "error":
                raise file_error(
                    self._root / name,
                    f"the image cannot be read: {reason}; `data.on_bad_image: skip` goes on without it.",
                )
            self._replaced[printable(self._root / name)] = reason
        raise file_error(self._root, f"none of the {len(self)} images of a part can be read any more: {reason}.")

    def _load_one(self, index: int) -> np.ndarray:
        if index in self._kept:
            return self._kept[index]
        path = os.path.join(self._root, self.names[index])
        image = self._fit(decode(path, self._section.max_pixels, self._section.background))
        if self._section.cache == "memory":
            self._kept[index] = image
        return image

    def _fit(self, image: np.ndarray) -> np.ndarray:
        """Bring an image to the set's type, channels and size; patches are left to be cut by the caller."""
        image = to_channels(image, self.image_shape[2])
        if self._dtype == np.float32:
            image = to_float(image)
        size = self.image_shape[:2]
        if self._section.fit == "patch":
            fits = image.shape[0] >= size[0] and image.shape[1] >= size[1]
        elif self._section.image_size is None:
            fits = image.shape[:2] == size
        else:
            image, fits = (crop if self._section.fit == "crop" else stretch)(image, size), True
        if not fits or image.dtype != self._dtype:
            raise BadImageError("its size or depth is not what it was")
        return image
