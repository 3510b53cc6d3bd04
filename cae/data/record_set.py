"""Images that are read out of TFRecord shards, in any order."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import overload

import numpy as np

from cae.config.data import TfrecordData
from cae.data.decoded_set import DecodedSet
from cae.data.file_errors import why
from cae.data.idx import PositionedFile
from cae.data.image_file import BadImageError
from cae.data.manifest import INDEX_TYPE
from cae.data.pixel_cache import PixelCache
from cae.data.value_range import ValuesSeen

RECORD_TYPE = np.dtype([*INDEX_TYPE.descr, ("shard", np.uint32), ("record", np.uint32)])
"""A shard's index entry, the shard's number, and the record's number in it, both from 0."""

# Most systems let a program have some hundred files open; a data set may have more shards.
_OPEN_FILES = 64
_LONGEST_NAME = 4096


class Records:
    """Reads bytes out of shards, several threads at a time.

    Args:
        shards: Paths of the shards.
        table: Of type `RECORD_TYPE`: where every image of the data set is; 48 bytes an image.
    """

    def __init__(self, shards: Sequence[Path], table: np.ndarray) -> None:
        self.table = table
        self._shards = shards
        self._open = lru_cache(_OPEN_FILES)(lambda shard: PositionedFile(shards[shard], os.O_RDONLY))

    def read_image(self, number: int) -> bytes:
        """Read an encoded image.

        Raises:
            BadImageError: The shard is missing, or the record is damaged.
        """
        record = self.table[number]
        try:
            content = self._open(int(record["shard"])).read(int(record["start"]), int(record["length"]))
        except OSError as error:
            raise BadImageError(why(error)) from error
        if len(content) < record["length"] or zlib.crc32(content) != record["checksum"]:
            raise BadImageError("the record is damaged: its checksum is wrong")
        return content

    def read_name(self, number: int) -> str:
        """Read an image's name; empty when it cannot be read."""
        record = self.table[number]
        try:
            # No system has longer ones; the second error is of a place that is no number of a byte.
            length = min(int(record["name_length"]), _LONGEST_NAME)
            name = self._open(int(record["shard"])).read(int(record["name_start"]), length)
        except (OSError, OverflowError):
            return ""
        return os.fsdecode(name)

    def title(self, number: int) -> str:
        """Name a record: shard, number and image."""
        record = self.table[number]
        shard = os.path.abspath(self._shards[int(record["shard"])])
        return f"{shard}, record {record['record']} ({self.read_name(number)})"


class RecordNames(Sequence[str]):
    """Names of images, read when they are asked for: those of millions would take more memory than all else."""

    def __init__(self, records: Records, numbers: np.ndarray) -> None:
        self._records = records
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Read one name, or choose some."""
        if isinstance(index, slice):
            return RecordNames(self._records, self._numbers[index])
        return self._records.read_name(int(self._numbers[index]))


class RecordSet(DecodedSet):
    """An image set over TFRecord shards; memory holds where the records are, and pixels only with `cache: memory`.

    Args:
        records: The whole data set.
        numbers: The images of the set, as places in `records.table`.
        section: How images are decoded and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any image of the data has more than 8 bits, and on a range.
        replaced: Takes broken records with reasons; shared by the parts of a data set.
        cache: Keeps decoded images by their numbers; shared by the parts of a data set.
        seen: Is shown the stored values of each image that is decoded.
    """

    def __init__(
        self,
        records: Records,
        numbers: np.ndarray,
        *,
        section: TfrecordData,
        image_shape: tuple[int, int, int],
        dtype: np.dtype,
        replaced: MutableMapping[str, str],
        cache: PixelCache | None,
        seen: ValuesSeen | None = None,
    ) -> None:
        labels = records.table["label"][numbers].astype(np.int64)
        super().__init__(
            None if (labels < 0).any() else labels,
            section=section,
            image_shape=image_shape,
            dtype=dtype,
            replaced=replaced,
            numbers=numbers,
            cache=cache,
            seen=seen,
        )
        self._records = records
        self._record_section = section

    @property
    def names(self) -> Sequence[str]:
        """Names of the files that the images were prepared from."""
        return RecordNames(self._records, self._numbers)

    def take(self, indices: np.ndarray) -> RecordSet:
        """Make a set of some of the images."""
        return RecordSet(
            self._records,
            self._numbers[indices],
            section=self._record_section,
            image_shape=self.image_shape,
            dtype=self._dtype,
            replaced=self._replaced,
            cache=self._cache,
            seen=self._seen,
        )

    def fingerprints(self) -> Sequence[Callable[[np.ndarray], Sequence[Hashable]]]:
        """See `cae.data.leaks.Comparable`: length and checksum of an encoded image, then all of it."""
        table = self._records.table
        return [
            lambda indices: table[["length", "checksum"]][self._numbers[indices]].tolist(),
            lambda indices: [self._digest(int(number)) for number in self._numbers[indices]],
        ]

    def _digest(self, number: int) -> bytes | None:
        try:
            return hashlib.blake2b(self._records.read_image(number)).digest()
        except BadImageError:
            return None

    def _source(self, index: int) -> bytes:
        return self._records.read_image(int(self._numbers[index]))

    def _stamp(self, index: int) -> bytes:
        # Reading has compared the content with this checksum.
        return self._records.table["checksum"][self._numbers[index]].tobytes()

    def _title(self, index: int) -> str:
        return self._records.title(int(self._numbers[index]))
