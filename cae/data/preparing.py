"""Turns an image folder into TFRecord shards, with random access, for data sets of millions of images."""

from __future__ import annotations

import collections
import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from cae.atomic_files import write_text
from cae.config.data import ImageFolderData
from cae.data.file_errors import file_error, printable, why
from cae.data.fitting import crop, stretch
from cae.data.folder_files import FileList
from cae.data.folder_parts import FolderParts, find_parts, number_classes
from cae.data.image_file import BadImageError, decode, encode_deep_png
from cae.data.manifest import FEATURES, MANIFEST_NAME, Manifest, Shard
from cae.data.pixels import to_channels
from cae.data.scan import HeaderCache, Progress, bad_images_error, scan
from cae.data.shard_writer import EncodedImage, ShardWriter

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
        section: The folder, and how its files are read; with `image_size`, they are stretched or cropped to it.
        channels: 1 or 3; None leaves each file its own.
        folder: Takes the data set; exists and is empty.
        shard_bytes: A shard is full when it has at least this many bytes.
        scan_progress: Called now and then while headers are read, with the number of files done and of all.
        progress: The same for writing.

    Raises:
        UserError: The folder has no images, or files cannot be used and `on_bad_image` does not say to leave them out.
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
    """Encode files in several threads, in order, and only a few ahead of who takes them."""
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
