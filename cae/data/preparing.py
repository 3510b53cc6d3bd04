"""Turns an image folder into TFRecord shards with an index beside each, for data sets of millions of images."""

from __future__ import annotations

import collections
import io
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from cae.atomic_files import write_text
from cae.config.data import ImageFolderData
from cae.data.formats.image_files import BadImageError, decode, encode_deep_png
from cae.data.formats.image_headers import HeaderCache, bad_images_error, scan
from cae.data.formats.image_lists import FileList
from cae.data.formats.shards import FEATURES, INDEX_TYPE, MANIFEST_NAME, Manifest, Shard, write_index
from cae.data.image_set import Progress
from cae.data.pixels import crop, stretch, to_channels
from cae.data.sources.folder_parts import FolderParts, find_parts, number_classes
from cae.files import file_error, printable, why

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
        folder: where the shards go.
        part: train, validation or test.
        shard_bytes: a shard is full when it has at least this many bytes.
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
            image: the image.
            name: the name of the file that it was.
            label: the number of its class; -1 for none.
            class_name: the class's name; None for none.
        """
        if self._writer is None:
            with self._naming():
                self._writer = tf.io.TFRecordWriter(str(self._path(".tfrecord")))
            self._entries, self._bytes = [], 0
        encoded_name = os.fsencode(name)
        data = _make_example(image, encoded_name, label, class_name).SerializeToString(deterministic=True)
        start = self._bytes + _BEFORE_DATA
        # Protocol buffers store bytes unchanged: with their position, a reader need not parse the rest.
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
        self.shards.append(Shard(name=name, images=len(self._entries), bytes=self._bytes, index_checksum=checksum))

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
    """Make the record of an image; `cae.data.formats.shards.FEATURES` says what each feature is."""
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


_REMEDY = "--on-bad-image skip"
_AS_THEY_ARE = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg"}


@dataclass
class Prepared:
    """What was written."""

    found: FolderParts
    """What was there."""
    parts: dict[str, list[Shard]] = field(default_factory=dict)
    sizes: set[tuple[int, int]] = field(default_factory=set)
    channels: int = 1
    deep: bool = False
    bad: dict[str, str] = field(default_factory=dict)
    """Files that were left out, with the reasons."""

    def note(self, image: EncodedImage) -> None:
        """Take an image into account."""
        self.sizes.add((image.height, image.width))
        self.channels = max(self.channels, image.channels)
        self.deep |= image.deep


def prepare(
    section: ImageFolderData,
    channels: int | None,
    folder: Path,
    shard_bytes: int,
    scan_progress: Progress | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Write the images of a folder, in the folder's order, into shards with indices and a manifest.

    PNG and JPEG files are stored byte for byte; files of other formats, and all files when sizes or channels are to be
    changed, as PNG. Every image is decoded once, so that none goes in that cannot be read. Memory holds the files'
    names, the current shard's index and a few images.

    Args:
        section: the folder, and how its files are read; with `image_size`, they are stretched or cropped to it.
        channels: 1 or 3; None leaves each file its own.
        folder: takes the data set; exists and is empty.
        shard_bytes: a shard is full when it has at least this many bytes.
        scan_progress: called now and then while headers are read, with the number of files done and of all.
        progress: the same for writing.

    Raises:
        UserError: the folder has no images, or files cannot be used and `on_bad_image` does not say to leave them out.
    """
    found = find_parts(section)
    files, paths = found.files, found.paths
    cache = HeaderCache(*(str(part.root) for part in files.values()))
    findings = scan(paths, section.max_pixels, progress=scan_progress, cache=cache)
    if findings.bad and section.on_bad_image == "error":
        raise bad_images_error(paths, findings.bad, _REMEDY)
    prepared = Prepared(found, bad={paths[position]: reason for position, reason in findings.bad.items()})
    labels = number_classes(list(files.values()))
    done = 0
    for (name, part), part_labels in zip(files.items(), labels, strict=True):

        def show(number: int, before: int = done) -> None:
            if progress is not None:
                progress(before + number, len(paths))

        with ShardWriter(folder, name, shard_bytes) as writer:
            _write_part(part, part_labels, section, channels, writer, prepared, show)
        if not writer.shards:
            raise file_error(part.root, f"none of the {len(part.names)} image files in this folder can be read.")
        prepared.parts[name] = writer.shards
        done += len(part.names)
    classes = sorted({c for part in files.values() for c in part.classes if c is not None})
    _write_manifest(folder, prepared, classes if any(part is not None for part in labels) else [])
    return prepared


def _write_part(
    part: FileList,
    labels: np.ndarray | None,
    section: ImageFolderData,
    channels: int | None,
    writer: ShardWriter,
    prepared: Prepared,
    show: Callable[[int], None],
) -> None:
    def encode(path: str) -> EncodedImage | str:
        if path in prepared.bad:  # the scan has said why
            return prepared.bad[path]
        try:
            return _encode(path, section, channels)
        except BadImageError as error:
            return str(error)

    classes = part.classes
    for number, (path, result) in enumerate(_side_by_side(encode, part.paths)):
        if isinstance(result, str):
            if section.on_bad_image == "error":
                raise file_error(path, f"the image cannot be read: {result}; `{_REMEDY}` would leave it out.")
            prepared.bad[path] = result
        elif labels is None:
            writer.write(result, part.names[number], -1, None)
        else:
            writer.write(result, part.names[number], int(labels[number]), classes[number])
        if not isinstance(result, str):
            prepared.note(result)
        show(number + 1)


def _side_by_side(
    encode: Callable[[str], EncodedImage | str], paths: Iterable[str]
) -> Iterator[tuple[str, EncodedImage | str]]:
    """Encode files in several threads, in order, only a few ahead of their use."""
    number = os.cpu_count() or 1
    with ThreadPoolExecutor(number) as threads:
        pending: collections.deque[tuple[str, Future[EncodedImage | str]]] = collections.deque()
        try:
            for path in paths:
                pending.append((path, threads.submit(encode, path)))
                if len(pending) > 2 * number:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            for _, future in pending:
                future.cancel()


def _encode(path: str, section: ImageFolderData, channels: int | None) -> EncodedImage:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BadImageError(why(error)) from error
    pixels = decode(content, section.max_pixels, section.background)
    known = next((name for start, name in _AS_THEY_ARE.items() if content.startswith(start)), None)
    if known is None or section.image_size is not None or channels is not None:
        pixels = to_channels(pixels, channels or pixels.shape[2])
        if section.image_size is not None:
            pixels = (crop if section.fit == "crop" else stretch)(pixels, section.image_size)
        content, known = _encode_png(pixels), "png"
    height, width, own_channels = pixels.shape
    return EncodedImage(content, known, height, width, own_channels, deep=pixels.dtype == np.float32)


def _encode_png(pixels: np.ndarray) -> bytes:
    if pixels.dtype == np.float32:
        return encode_deep_png(pixels)
    content = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(content, "PNG")
    return content.getvalue()


def _write_manifest(folder: Path, prepared: Prepared, classes: list[str]) -> None:
    manifest = Manifest(
        image_size=next(iter(prepared.sizes)) if len(prepared.sizes) == 1 else None,
        channels=3 if prepared.channels == 3 else 1,
        deep=prepared.deep,
        classes=[printable(name) for name in classes],
        features=FEATURES,
        parts=prepared.parts,  # type: ignore[arg-type]  # names of parts are checked when it is made
    )
    write_text(folder / MANIFEST_NAME, manifest.model_dump_json(indent=2) + "\n")
