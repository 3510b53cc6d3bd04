"""The source `tfrecord`: folders that `prepare` has written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cae.config.data import TfrecordData
from cae.data.dividing import Parts
from cae.data.file_errors import file_error, given_parts, required_path
from cae.data.manifest import MANIFEST_NAME, Manifest, Shard, check_index_is_there, read_index, read_manifest
from cae.data.pixel_cache import make_pixel_cache, shortages
from cae.data.record_set import RECORD_TYPE, Records, RecordSet
from cae.data.scan import bad_pictures_error
from cae.data.value_range import given_range, watch_values
from cae.run_warning import RunWarning


def load_records(section: TfrecordData) -> Parts[RecordSet]:
    """Open a prepared data set; no image is read, and nothing but the indices, 48 bytes an image.

    `validation_path` and `test_path` are other prepared data sets: their part of that name, or their training part when
    they have no other.

    Raises:
        UserError: A folder is missing, incomplete or not prepared, sizes differ and no `image_size` is given, or
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


def find_records_shape(section: TfrecordData) -> tuple[int, int, int]:
    """Find (height, width, channels) from the manifest alone."""
    folders, manifests = _find_manifests(section)
    return _find_shape(section, folders["train"], manifests)


def _find_manifests(section: TfrecordData) -> tuple[dict[str, Path], dict[str, Manifest]]:
    """The prepared data sets that are named, by the part that they are named for."""
    folders = {"train": required_path(section.path), **given_parts(section)}
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
