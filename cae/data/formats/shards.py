"""What `prepare` writes beside its shards: a manifest of the whole, and for each shard where its images are.

A prepared data set is a folder with

- `manifest.json`, as described by `Manifest`,
- shards `train-00000.tfrecord`, ..., `test-00000.tfrecord`, ...: TFRecord files of `tf.train.Example`s with `FEATURES`,
- for each shard an index `train-00000.npy` of type `INDEX_TYPE`, by which any image can be read without the others.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cae.files import file_error, naming, read_bytes

MANIFEST_NAME = "manifest.json"

FEATURES = {
    "image/encoded": "bytes: a PNG or JPEG file",
    "image/format": "bytes: png or jpeg",
    "image/height": "int64: pixels, after the EXIF orientation",
    "image/width": "int64: pixels, after the EXIF orientation",
    "image/channels": "int64: 1 or 3, transparency left out of account",
    "image/filename": "bytes: the file's name below its folder",
    "image/class/label": "int64: where images lie in class folders, the class's place in `classes`",
    "image/class/text": "bytes: where images lie in class folders, the class",
}

INDEX_TYPE = np.dtype(
    [
        ("start", np.uint64),  # of the encoded image in the shard, in bytes
        ("length", np.uint32),
        ("checksum", np.uint32),  # CRC-32 of the encoded image
        ("name_start", np.uint64),
        ("name_length", np.uint32),
        ("height", np.uint32),
        ("width", np.uint32),
        ("label", np.int32),  # -1 for none
    ]
)

# For a million shards it would do.
_MOST_BYTES = 1 << 28

Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Shard(_Strict):
    """One TFRecord file."""

    # Nothing that leads out of the folder.
    name: Annotated[str, Field(pattern=r"^(train|validation|test)-[0-9]{5,}$")]
    """Of the shard and of its index, without their endings."""
    images: Count
    bytes: Count
    """Length of the shard."""
    index_checksum: Count
    """CRC-32 of the index file."""


class Manifest(_Strict):
    """The whole data set."""

    format: Literal["cae images 1"] = "cae images 1"
    image_size: tuple[Count, Count] | None = Field(strict=False)
    """Height and width, when all images have the same."""
    channels: Literal[1, 3]
    """3 when any image has colour."""
    deep: bool
    """Whether any image has more than 8 bits a channel."""
    classes: list[str]
    """Names of the classes in the order of their labels; empty when images are not in class folders."""
    features: dict[str, str]
    """What each record holds."""
    parts: dict[Literal["train", "validation", "test"], list[Shard]]
    """The shards of each part, in order."""


def read_manifest(folder: Path) -> Manifest:
    """Read a prepared data set's manifest.

    Raises:
        UserError: there is no such folder, it was not made by `prepare`, or the manifest is damaged.
    """
    path = folder / MANIFEST_NAME
    with naming(folder):
        if not folder.is_dir() or not path.exists():
            received = "a folder without one" if folder.is_dir() else "no folder"
            raise file_error(
                folder,
                f"this must be a folder that `python -m cae prepare` has written, with a {MANIFEST_NAME}. "
                f"Received: {received}.",
            )
    try:
        manifest = Manifest.model_validate_json(read_bytes(path, _MOST_BYTES))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise file_error(path, f"damaged, or of another version: {place or 'text'}: {problem['msg']}.") from error
    if "train" not in manifest.parts:
        raise file_error(path, "there is no training part.")
    return manifest


def check_index_is_there(folder: Path, shard: Shard) -> None:
    """Refuse a shard whose index is far too small, before memory is asked for what the manifest promises.

    Raises:
        UserError: it is missing, or has another number of entries.
    """
    path = folder / f"{shard.name}.npy"
    with naming(path):
        if path.stat().st_size < shard.images * INDEX_TYPE.itemsize:
            raise file_error(
                path, f"this index is damaged: it must have {shard.images} entries. Prepare the data again."
            )


def _index_bytes(shard: Shard) -> int:
    """Most bytes of a shard's index: its entries behind a header."""
    return shard.images * INDEX_TYPE.itemsize + 4096


def write_index(path: Path, index: np.ndarray) -> int:
    """Write a shard's index; returns the file's CRC-32."""
    content = io.BytesIO()
    np.save(content, index, allow_pickle=False)
    path.write_bytes(content.getbuffer())
    return zlib.crc32(content.getbuffer())


def read_index(folder: Path, shard: Shard) -> np.ndarray:
    """Read a shard's index.

    Raises:
        UserError: it is missing or damaged.
    """
    path = folder / f"{shard.name}.npy"
    with naming(path):
        most = _index_bytes(shard)
        content = b"" if path.stat().st_size > most else read_bytes(path, most)
        if zlib.crc32(content) != shard.index_checksum:
            raise file_error(path, "this index is damaged: its checksum is not the manifest's. Prepare the data again.")
        index = np.load(io.BytesIO(content), allow_pickle=False)
    if index.dtype != INDEX_TYPE or index.shape != (shard.images,):
        raise file_error(path, f"the index must have {shard.images} entries of another type than {index.dtype}.")
    return index
