"""Where decoded and fitted images are kept between epochs: nowhere, in memory, or on disk also between runs."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import struct
import sys
import threading
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import PIL
from tqdm import tqdm

from cae.caches import digest, user_cache_folder
from cae.config.data import PictureData
from cae.files import PositionedFile, printable, why
from cae.machine import available_memory, find_limits, this_machine

# What stands before an image's pixels: that they are there, and their checksum.
_HEAD = struct.Struct("<II")
_IS_THERE = 1


class DiskCache:
    """Keeps images in one file, each at a place of its own, filled as they are decoded for the first time.

    The file's name tells the content of the data set and the way in which it was decoded, so that a file is never
    used for anything else; a data set that has changed starts a new one, and the old one is deleted. Several runs may
    fill the same file at the same time: they write the same bytes to the same places. An image counts as present only
    after its pixels, and has a checksum, so that a run that was killed or a damaged disk cost no more than decoding
    again. If the cache fails, one line on stderr says why, and training goes on without it. It is not begun when the
    disk has no room for all of it.

    Args:
        place: Names the data set and how it is decoded, whatever its content.
        stamps: (images, bytes a stamp) uint8, the content of every image: what `put` must be given.
        shapes: (images, 3) integers, or one (height, width, channels) for all.
        dtype: Type of the images.
    """

    def __init__(
        self, place: Sequence[object], stamps: np.ndarray, shapes: np.ndarray | tuple[int, ...], dtype: np.dtype
    ) -> None:
        self._stamps = stamps
        self._shapes = np.broadcast_to(np.asarray(shapes, np.int64), (len(stamps), 3))
        self._dtype = dtype
        lengths = _HEAD.size + self._shapes.prod(axis=1) * dtype.itemsize
        self._ends = np.cumsum(lengths)  # (images,)
        self._place = digest("pixels 1", dtype, *place).hex()
        content = digest(self._place, np.ascontiguousarray(stamps).tobytes(), np.ascontiguousarray(shapes).tobytes())
        self._name = f"{self._place}-{content.hex()}"
        self._lock = threading.Lock()
        self._file: PositionedFile | None = None
        self._is_opened = self._damage_is_told = False

    @property
    def needed(self) -> int:
        """Bytes that all images take."""
        return int(self._ends[-1])

    def shortage(self) -> str:
        """Say that the disk has no room for all images, so that none is kept."""
        try:
            path = self._path()
            folder = next(parent for parent in path.parents if parent.is_dir())
            # What an earlier run has filled is used again, or deleted.
            mine = [getattr(old.stat(), "st_blocks", 0) * 512 for old in path.parent.glob(f"{self._place}-*")]
            free = shutil.disk_usage(folder).free + sum(mine)
        except OSError as error:
            return f"data.cache: disk: the cache cannot be used ({why(error)}): images are decoded each time."
        if self.needed <= free:
            return ""
        return (
            f"data.cache: disk: all images decoded take {self.needed / 1e9:,.1f} GB, and {free / 1e9:,.1f} GB are free"
            f" in {printable(folder)}: none is kept, and images are decoded each time."
        )

    def get(self, number: int) -> np.ndarray | None:
        """Give an image; None when it is not there or damaged."""
        if (file := self._open()) is None:
            return None
        shape = tuple(self._shapes[number].tolist())
        start, length = self._find(number)
        try:
            content = file.read(start, length)
        except OSError as error:
            self._tell_damage(why(error))
            return None
        if len(content) < length or content.startswith(b"\0" * _HEAD.size):
            return None
        if content[: _HEAD.size] != _HEAD.pack(_IS_THERE, zlib.crc32(content[_HEAD.size :])):
            self._tell_damage("a checksum is wrong")
            return None
        return np.frombuffer(content, self._dtype, offset=_HEAD.size).reshape(shape)

    def put(self, number: int, image: np.ndarray, stamp: bytes) -> None:
        """Keep an image, unless it was decoded from another content than the cache is for."""
        if stamp != self._stamps[number].tobytes() or (file := self._open()) is None:
            return
        start, length = self._find(number)
        pixels = np.ascontiguousarray(image).tobytes()
        if len(pixels) != length - _HEAD.size:
            return  # its size is not what the stamp promised
        try:
            file.write(start + _HEAD.size, pixels)
            file.write(start, _HEAD.pack(_IS_THERE, zlib.crc32(pixels)))
        except OSError as error:
            self._give_up(file, error)

    def _find(self, number: int) -> tuple[int, int]:
        """Where an image's bytes start, its head included, and how many there are."""
        end = int(self._ends[number])
        start = int(self._ends[number - 1]) if number else 0
        return start, end - start

    def _open(self) -> PositionedFile | None:
        """Open the file at its first use, not before: who only looks at a data set writes nothing."""
        if not self._is_opened:
            with self._lock:
                if not self._is_opened:
                    try:
                        self._file = self._make_file()
                    except OSError as error:
                        self._tell(f"cannot be used ({why(error)}); images will be decoded each time")
                    self._is_opened = True
        return self._file

    def _make_file(self) -> PositionedFile:
        path = self._path()
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{self._place}-*"):
            if old != path:
                with contextlib.suppress(OSError):  # another run on another system may have it open
                    old.unlink()
        file = PositionedFile(path, os.O_RDWR | os.O_CREAT)
        size, wanted = file.size, int(self._ends[-1])
        needed, free = wanted - file.occupied, shutil.disk_usage(path.parent).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"{needed / 1e9:,.1f} GB are needed and {free / 1e9:,.1f} GB are free")
        if size != wanted:
            if size:
                self._tell_damage(f"{size} bytes instead of {wanted}")
            file.resize(wanted)
        return file

    def _give_up(self, file: PositionedFile, error: OSError) -> None:
        """Make room on a disk that is full, which checkpoints need more than the cache does."""
        with self._lock:
            if self._file is None:  # another thread has been here
                return
            self._file = None
        with contextlib.suppress(OSError):
            file.resize(0)
            self._path().unlink()
        self._tell(f"cannot be written ({why(error)}) and is given up; images will be decoded each time")

    def _path(self) -> Path:
        return user_cache_folder() / "pixels" / self._name

    def _tell_damage(self, reason: str) -> None:
        if not self._damage_is_told:
            self._damage_is_told = True
            self._tell(f"is damaged ({reason}); the images concerned are decoded and written again")

    def _tell(self, what: str) -> None:
        # Through tqdm, which keeps a line apart from a bar that is being shown.
        tqdm.write(f"data.cache: disk: the cache {what}.", file=sys.stderr)


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
    if section.keeps_pictures:
        shapes = np.concatenate([sizes, np.full((len(sizes), 1), image_shape[2])], axis=1)
    if section.cache == "memory":
        # In floating point, since sizes that a user may ask for have products of any length.
        total = np.broadcast_to(np.asarray(shapes, np.float64), (len(stamps), 3)).prod(axis=1).sum()
        return MemoryCache(int(total) * dtype.itemsize)
    # Another version of Pillow may decode or resize to other values.
    ways = (image_shape, section.image_size, section.fit, section.keeps_pictures, section.background, PIL.__version__)
    scale = [] if section.value_range == "type" else [section.value_range]
    return DiskCache([*place, *ways, *scale], stamps, shapes, dtype)


def shortages(cache: PixelCache | None) -> list[str]:
    """What should be known of a cache that has no room for all images."""
    return [note] if cache is not None and (note := cache.shortage()) else []
