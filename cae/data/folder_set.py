"""Images that are read from their files each time they are asked for, or kept on request."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from cae.config.data import ImageFolderData
from cae.data.decoded_set import DecodedSet
from cae.data.file_errors import open_regular
from cae.data.pixel_cache import PixelCache
from cae.data.user_cache import file_stamp
from cae.data.value_range import ValuesSeen
from cae.errors import UserError

# Of two different pictures of one length, these are hardly ever the same.
_END_BYTES = 4096


class FolderSet(DecodedSet):
    """An image set over image files; memory holds their names, and pixels only with `cache: memory`.

    Args:
        root: The folder.
        names: Files, relative to `root`.
        labels: One integer per file.
        section: How files are read and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any file of the data has more than 8 bits, and on a range.
        replaced: Takes broken files with reasons; shared by the parts of a data set.
        numbers: Each file's number in the data set; None for 0, 1, ...
        cache: Keeps decoded images by these numbers; shared by the parts of a data set.
        seen: Is shown the stored values of each image that is decoded.
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
        numbers: np.ndarray | None = None,
        cache: PixelCache | None = None,
        seen: ValuesSeen | None = None,
    ) -> None:
        super().__init__(
            labels,
            section=section,
            image_shape=image_shape,
            dtype=dtype,
            replaced=replaced,
            numbers=np.arange(len(names)) if numbers is None else numbers,
            cache=cache,
            seen=seen,
        )
        self._names = names
        self._root = root
        self._folder_section = section

    @property
    def names(self) -> Sequence[str]:
        """Files, relative to the folder."""
        return self._names

    def take(self, indices: np.ndarray) -> FolderSet:
        """Make a set of some of the files."""
        return FolderSet(
            self._root,
            [self._names[index] for index in indices],
            None if self.labels is None else self.labels[indices],
            section=self._folder_section,
            image_shape=self.image_shape,
            dtype=self._dtype,
            replaced=self._replaced,
            numbers=self._numbers[indices],
            cache=self._cache,
            seen=self._seen,
        )

    def fingerprints(self) -> Sequence[Callable[[np.ndarray], Sequence[Hashable]]]:
        """See `cae.data.leaks.Comparable`: a file's length, its end, then all of it."""
        return [partial(self._look, look) for look in (os.path.getsize, _read_end, _digest)]

    def _look(self, look: Callable[[str], Hashable], indices: np.ndarray) -> list[Hashable]:
        def see(index: int) -> Hashable:
            try:
                return look(self._path(index))
            except (OSError, UserError):
                return None

        if look is os.path.getsize:  # it takes less time than to hand it to a thread
            return list(map(see, indices))
        with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as threads:
            return list(threads.map(see, indices))

    def _path(self, index: int) -> str:
        return os.path.join(self._root, self._names[index])

    def _source(self, index: int) -> str:
        return self._path(index)

    def _stamp(self, index: int) -> bytes:
        try:
            return file_stamp(self._path(index))
        except OSError:
            return b""  # it has gone since

    def _title(self, index: int) -> str:
        return os.path.abspath(self._path(index))


def _read_end(path: str) -> bytes:
    with open_regular(path) as file:
        file.seek(max(0, os.path.getsize(path) - _END_BYTES))
        return file.read(_END_BYTES)


def _digest(path: str) -> bytes:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "blake2b").digest()
