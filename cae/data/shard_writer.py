"""Writes encoded images into TFRecord shards, and beside each shard its index."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf

from cae.data.file_errors import file_error
from cae.data.manifest import INDEX_TYPE, Shard, write_index

# A TFRecord is its length (8 bytes), a checksum (4), the data, and another checksum (4).
_BEFORE_DATA, _AROUND_DATA = 12, 16


@dataclass(frozen=True)
class EncodedImage:
    """A PNG or JPEG file, and what is known of it."""

    content: bytes
    format: str
    """png or jpeg."""
    height: int
    width: int
    """As shown, after the EXIF orientation."""
    channels: int
    deep: bool
    """More than 8 bits a channel."""


class ShardWriter:
    """Writes the images of one part, a new shard each time one is full; a context manager.

    Args:
        folder: Where the shards go.
        part: train, validation or test.
        shard_bytes: A shard is full when it has at least this many bytes.
    """

    def __init__(self, folder: Path, part: str, shard_bytes: int) -> None:
        self.shards: list[Shard] = []
        self._folder = folder
        self._part = part
        self._shard_bytes = shard_bytes
        self._writer: Any = None
        self._entries: list[tuple[int, ...]] = []
        self._bytes = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None and error is None:
            self._end_shard()

    def write(self, image: EncodedImage, name: str, label: int, class_name: str | None) -> None:
        """Write an image.

        Args:
            image: The image.
            name: The name of the file that it was.
            label: The number of its class; -1 for none.
            class_name: The class's name; None for none.
        """
        if self._writer is None:
            with self._naming():
                self._writer = tf.io.TFRecordWriter(str(self._path(".tfrecord")))
            self._entries, self._bytes = [], 0
        encoded_name = os.fsencode(name)
        data = _make_example(image, encoded_name, label, class_name).SerializeToString(deterministic=True)
        start = self._bytes + _BEFORE_DATA
        # Protocol buffers hold bytes as they are; so whoever has their place need not parse the rest.
        self._entries.append(
            (
                start + data.index(image.content),
                len(image.content),
                zlib.crc32(image.content),
                start + data.index(encoded_name),
                len(encoded_name),
                image.height,
                image.width,
                label,
            )
        )
        with self._naming():
            self._writer.write(data)
        self._bytes += len(data) + _AROUND_DATA
        if self._bytes >= self._shard_bytes:
            self._end_shard()

    def _end_shard(self) -> None:
        writer, self._writer = self._writer, None
        with self._naming():
            writer.close()
        checksum = write_index(self._path(".npy"), np.array(self._entries, INDEX_TYPE))
        for ending in (".tfrecord", ".npy"):
            with open(self._path(ending), "rb+") as file:
                os.fsync(file.fileno())
        name = self._path("").name
        self.shards.append(
            Shard(name=name, images=len(self._entries), bytes=self._bytes, index_checksum=checksum),
        )

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """TensorFlow's own kind of error for a full disk, made one that names the shard."""
        try:
            yield
        except tf.errors.OpError as error:
            raise file_error(self._path(".tfrecord"), f"cannot be written: {error.message}.") from error

    def _path(self, ending: str) -> Path:
        return self._folder / f"{self._part}-{len(self.shards):05}{ending}"


def _make_example(image: EncodedImage, name: bytes, label: int, class_name: str | None) -> Any:
    """Make the record of an image; `cae.data.manifest.FEATURES` says what each feature is."""
    features: dict[str, bytes | int] = {
        "image/encoded": image.content,
        "image/format": image.format.encode(),
        "image/height": image.height,
        "image/width": image.width,
        "image/channels": image.channels,
        "image/filename": name,
    }
    if class_name is not None:
        features |= {"image/class/label": label, "image/class/text": os.fsencode(class_name)}
    return tf.train.Example(features=tf.train.Features(feature={key: _feature(features[key]) for key in features}))


def _feature(value: bytes | int) -> Any:
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
