"""The source `tfrecord`: folders that `prepare` has written, whose images are read in any order."""

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
from cae.data.dividing import Parts
from cae.data.formats.image_files import BadImageError
from cae.data.formats.image_headers import bad_pictures_error
from cae.data.formats.shards import (
    INDEX_TYPE,
    MANIFEST_NAME,
    Manifest,
    Shard,
    check_index_is_there,
    read_index,
    read_manifest,
)
from cae.data.identity import Look
from cae.data.image_set import Progress
from cae.data.pixel_cache import PixelCache, make_pixel_cache, shortages
from cae.data.value_range import ValuesSeen, given_range, watch_values
from cae.errors import RunWarning
from cae.files import PositionedFile, file_error, why

RECORD_TYPE = np.dtype([*INDEX_TYPE.descr, ("shard", np.uint32), ("record", np.uint32)])
"""A shard's index entry, the shard's number, and the record's number in it, both from 0."""

# Most systems let a program have some hundred files open; a data set may have more shards.
_OPEN_FILES = 64
_LONGEST_NAME = 4096


class Records:
    """Reads bytes out of shards, several threads at a time.

    Args:
        shards: paths of the shards.
        table: of type `RECORD_TYPE`: where every image of the data set is; 48 bytes an image.
    """

    def __init__(self, shards: Sequence[Path], table: np.ndarray) -> None:
        self.table = table
        self._shards = shards
        self._open = lru_cache(_OPEN_FILES)(lambda shard: PositionedFile(shards[shard], os.O_RDONLY))

    def read_image(self, number: int) -> bytes:
        """Read an encoded image.

        Raises:
            BadImageError: the shard is missing, or the record is damaged.
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
        records: the whole data set.
        numbers: the images of the set, as places in `records.table`.
        section: how images are decoded and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any image of the data has more than 8 bits, and on a range.
        replaced: takes broken records with reasons; shared by the parts of a data set.
        cache: keeps decoded images by their numbers; shared by the parts of a data set.
        seen: is shown the stored values of each image that is decoded.
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

    storage = "records"

    def fingerprints(self) -> Sequence[Callable[[np.ndarray], Sequence[Hashable]]]:
        """See `cae.data.dividing.Comparable`: length and checksum of an encoded image, then all of it."""
        table = self._records.table
        return [
            lambda indices: table[["length", "checksum"]][self._numbers[indices]].tolist(),
            lambda indices: [self._digest(int(number)) for number in self._numbers[indices]],
        ]

    def first_look(self) -> Look:
        """Look at each image's length and checksum in the index; names would have to be read one by one."""
        table = self._records.table
        columns = (table[name][self._numbers] for name in ("length", "checksum"))
        return Look("records", (column.astype("<u4").tobytes() for column in columns))

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


def load(section: TfrecordData, progress: Progress | None = None) -> Parts[RecordSet]:
    """Open a prepared data set; no image is read, and nothing but the indices, 48 bytes an image.

    `validation_path` and `test_path` are other prepared data sets: their part of that name, or their training part when
    they have no other.

    Raises:
        UserError: a folder is missing, incomplete or not prepared, sizes differ and no `image_size` is given, or
            records lie past their shard's end, are too large or too small (each is named; with `on_bad_image: skip`
            they are left out instead).
    """
    folders, manifests = _find_manifests(section)
    image_shape = _find_shape(section, folders["train"], manifests)
    is_deep = any(manifest.deep for manifest in manifests.values()) or given_range(section) is not None
    dtype = np.dtype(np.float32 if is_deep else np.uint8)
    shards, tables = _read_tables(folders, manifests)
    records = Records(shards, np.concatenate(list(tables.values())))
    bad = _find_bad(section, records.table, shards)
    if bad and section.on_bad_image == "error":
        titles = ((records.title(number), reason) for number, reason in bad.items())
        raise bad_pictures_error(len(records.table), len(bad), titles)
    cache = make_pixel_cache(
        section,
        image_shape,
        dtype,
        place=[os.path.abspath(folder) for folder in folders.values()],
        stamps=records.table["checksum"],
        sizes=np.stack([records.table["height"], records.table["width"]], axis=-1),
    )
    is_good = np.ones(len(records.table), bool)
    is_good[list(bad)] = False
    replaced: dict[str, str] = {}
    warnings: list[RunWarning] = []
    sets: dict[str, RecordSet] = {}
    first = 0
    for part, table in tables.items():
        numbers = first + np.flatnonzero(is_good[first : first + len(table)])
        first += len(table)
        if not len(numbers):
            raise file_error(
                folders.get(part, folders["train"]), f"none of the {len(table)} images of the {part} part can be read."
            )
        sets[part] = RecordSet(
            records,
            numbers,
            section=section,
            image_shape=image_shape,
            dtype=dtype,
            replaced=replaced,
            cache=cache,
            seen=watch_values(section, f"{folders.get(part, folders['train'])}, {part}", warnings, len(records.table)),
        )
    return Parts(
        sets["train"],
        sets.get("validation"),
        sets.get("test"),
        len(bad),
        replaced,
        manifests["train"].classes,
        origins={part: f"data.{part}_path" if part in folders else "prepared" for part in sets if part != "train"},
        notes=shortages(cache),
        warnings=warnings,
    )


def find_shape(section: TfrecordData) -> tuple[int, int, int]:
    """Find (height, width, channels) from the manifest alone."""
    folders, manifests = _find_manifests(section)
    return _find_shape(section, folders["train"], manifests)


def _find_manifests(section: TfrecordData) -> tuple[dict[str, Path], dict[str, Manifest]]:
    """The prepared data sets that are named, by the part that they are named for."""
    folders = {"train": section.required_path, **section.given_parts}
    manifests = {part: read_manifest(folder) for part, folder in folders.items()}
    if len({os.path.realpath(folder) for folder in folders.values()}) < len(folders):
        raise file_error(folders["train"], "two parts of the data must not be the same folder.")
    return folders, manifests


def _find_shape(section: TfrecordData, folder: Path, manifests: dict[str, Manifest]) -> tuple[int, int, int]:
    sizes = {manifest.image_size for manifest in manifests.values()}
    size = section.image_size or (sizes.pop() if len(sizes) == 1 else None)
    if size is None:
        raise file_error(
            folder / MANIFEST_NAME,
            "all images must have the same size unless `data.image_size` is set. Received: several sizes.",
        )
    if section.image_size is None and not 0 < size[0] * size[1] <= section.max_pixels:
        raise file_error(
            folder / MANIFEST_NAME,
            f"images must have at least 1 and at most {section.max_pixels} pixels (`data.max_pixels`). "
            f"Received: {size[0]}x{size[1]}.",
        )
    return (*size, section.channels or manifests["train"].channels)


def _read_tables(folders: dict[str, Path], manifests: dict[str, Manifest]) -> tuple[list[Path], dict[str, np.ndarray]]:
    """Read all indices; gives the shards and, for each part, its table of type `RECORD_TYPE`."""
    parts: dict[str, tuple[Path, list[Shard]]] = {
        part: (folders["train"], shards) for part, shards in manifests["train"].parts.items()
    }
    for name in ("validation", "test"):
        if name in folders:
            found = manifests[name].parts
            parts[name] = (folders[name], found.get(name) or found["train"])
    paths: list[Path] = []
    tables: dict[str, np.ndarray] = {}
    for part, (folder, shards) in parts.items():
        for shard in shards:
            check_index_is_there(folder, shard)
        tables[part] = np.empty(sum(shard.images for shard in shards), RECORD_TYPE)
        first = 0
        for shard in shards:
            rows = tables[part][first : first + shard.images]
            index = read_index(folder, shard)
            for column in index.dtype.names or ():
                rows[column] = index[column]
            rows["shard"], rows["record"] = len(paths), np.arange(shard.images)
            paths.append(folder / f"{shard.name}.tfrecord")
            first += shard.images
    return paths, tables


def _find_bad(section: TfrecordData, table: np.ndarray, shards: list[Path]) -> dict[int, str]:
    """Find the records that cannot be used, as far as indices and the shards' lengths tell."""
    lengths = np.array([path.stat().st_size if path.is_file() else -1 for path in shards])
    length = lengths[table["shard"]]  # (images,)
    # The sum of a hostile start and a length would begin again at 0.
    ends = np.minimum(table["start"], 2**62).astype(np.int64) + table["length"]
    pixels = table["height"].astype(np.float64) * table["width"]
    bad = dict.fromkeys(np.flatnonzero(pixels > section.max_pixels).tolist(), "more pixels than `data.max_pixels`")
    if section.fit == "patch" and section.image_size is not None:
        height, width = section.image_size
        small = (table["height"] < height) | (table["width"] < width)
        reason = f"it is smaller than the patch {height}x{width} of `data.image_size`"
        bad.update(dict.fromkeys(np.flatnonzero(small).tolist(), reason))
    bad.update(dict.fromkeys(np.flatnonzero(ends > length).tolist(), "it lies past the shard's end"))
    bad.update(dict.fromkeys(np.flatnonzero(length < 0).tolist(), "the shard is missing"))
    return dict(sorted(bad.items()))
