"""Image folders as data sets, read file by file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from cae.caches import file_stamp
from cae.config.data import ImageFolderData
from cae.data.decoded_set import DecodedSet
from cae.data.dividing import Parts
from cae.data.formats.image_files import BadImageError, read_header
from cae.data.formats.image_headers import Findings, HeaderCache, bad_images_error, scan
from cae.data.formats.image_lists import FileList
from cae.data.identity import Look
from cae.data.image_set import Progress
from cae.data.pixel_cache import PixelCache, make_pixel_cache, shortages
from cae.data.sources.folder_parts import FolderParts, class_names, find_parts, number_classes
from cae.data.value_range import ValuesSeen, given_range, watch_values
from cae.errors import RunWarning, UserError
from cae.files import file_error, open_regular, printable

# Of two different pictures of one length, these are hardly ever the same.
_END_BYTES = 4096


class StoredFiles:
    """Files as `cae.data.dividing.Comparable`: what is looked at is their length, their end, then all of them.

    Args:
        root: the folder.
        names: files, relative to `root`.
    """

    storage = "files"

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self._root = root
        self._names = names

    def __len__(self) -> int:
        return len(self._names)

    def fingerprints(self) -> Sequence[Callable[[np.ndarray], Sequence[Hashable]]]:
        """The three looks."""
        return [partial(self._look, look) for look in (os.path.getsize, _read_end, _digest)]

    def _look(self, look: Callable[[str], Hashable], indices: np.ndarray) -> list[Hashable]:
        def see(index: int) -> Hashable:
            try:
                return look(os.path.join(self._root, self._names[index]))
            except (OSError, UserError):
                return None

        if look is os.path.getsize:  # it takes less time than to hand it to a thread
            return list(map(see, indices))
        with ThreadPoolExecutor(min(32, 4 * (os.cpu_count() or 1))) as threads:
            return list(threads.map(see, indices))


class FolderSet(DecodedSet):
    """An image set over image files; memory holds their names, and pixels only with `cache: memory`.

    Args:
        root: the folder.
        names: files, relative to `root`.
        labels: one integer per file.
        section: how files are read and fitted.
        image_shape: (height, width, channels) that every image is brought to, or has.
        dtype: uint8; float32 when any file of the data has more than 8 bits, and on a range.
        replaced: takes broken files with reasons; shared by the parts of a data set.
        numbers: each file's number in the data set; None for 0, 1, ...
        cache: keeps decoded images by these numbers; shared by the parts of a data set.
        seen: is shown the stored values of each image that is decoded.
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

    storage = StoredFiles.storage

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
        """See `StoredFiles`."""
        return StoredFiles(self._root, self._names).fingerprints()

    def first_look(self) -> Look:
        """Look at each file's name and length."""
        lengths = self.fingerprints()[0](np.arange(len(self)))  # None of a file that has gone
        files = zip(self._names, lengths, strict=True)
        return Look("files", (b"%b\0%b\0" % (os.fsencode(name), str(length).encode()) for name, length in files))

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


def load(
    section: ImageFolderData, progress: Progress | None = None, parts: FolderParts | None = None
) -> Parts[FolderSet]:
    """List the folder's files and look at each of them once; files that an earlier scan has seen are not opened.

    Args:
        section: where the files are and how they are read.
        progress: called now and then with the number of files looked at and the number of all files.
        parts: the files, where it is known which they are.

    Raises:
        UserError: a folder is missing or has no images, files are bad (each is named; with `on_bad_image: skip` they
            are left out instead), or sizes differ and no `image_size` is given.
    """
    parts = parts or find_parts(section)
    files, paths = parts.files, parts.paths
    least = section.image_size if section.fit == "patch" and section.image_size else (1, 1)
    roots = [str(part.root) for part in files.values()]
    findings = scan(paths, section.max_pixels, least_size=least, progress=progress, cache=HeaderCache(*roots))
    if findings.bad and section.on_bad_image == "error":
        raise bad_images_error(paths, findings.bad)
    image_shape = (*(section.image_size or _common_size(paths, findings)), section.channels)
    return _make_parts(section, parts, findings, image_shape)


def find_shape(section: ImageFolderData) -> tuple[int, int, int]:
    """Find (height, width, channels) from the first file whose header can be read.

    That all files have this size is only seen by the scan.
    """
    train = find_parts(section).files["train"]
    for path in train.paths:
        try:
            header = read_header(path, section.max_pixels)
        except BadImageError:
            continue
        return (header.height, header.width, section.channels)
    raise _none_readable(train)


def _common_size(paths: list[str], findings: Findings) -> tuple[int, int]:
    if len(findings.sizes) > 1:
        examples = [
            f"{printable(paths[position])} {height}x{width}"
            for (height, width), position in list(findings.sizes.items())[:3]
        ]
        raise UserError(
            "All images must have the same size unless `data.image_size` is set. "
            f"Received {len(findings.sizes)} sizes (height x width), among them: {', '.join(examples)}."
        )
    return next(iter(findings.sizes), (1, 1))


def _make_parts(
    section: ImageFolderData, parts: FolderParts, findings: Findings, image_shape: tuple[int, int, int]
) -> Parts[FolderSet]:
    files = parts.files
    dtype = np.dtype(np.float32 if findings.deep or given_range(section) else np.uint8)
    cache = make_pixel_cache(
        section,
        image_shape,
        dtype,
        place=[os.path.abspath(part.root) for part in files.values()],
        stamps=findings.headers["stamp"],
        sizes=np.stack([findings.headers["height"], findings.headers["width"]], axis=-1),
    )
    replaced: dict[str, str] = {}
    warnings: list[RunWarning] = []
    sets: dict[str, FolderSet] = {}
    first = 0  # position of the part's first file among all files
    for (name, part), labels in zip(files.items(), number_classes(list(files.values())), strict=True):
        good = [index for index in range(len(part.names)) if first + index not in findings.bad]
        if not good:
            raise _none_readable(part)
        every_file = FolderSet(
            part.root,
            part.names,
            labels,
            section=section,
            image_shape=image_shape,
            dtype=dtype,
            replaced=replaced,
            numbers=first + np.arange(len(part.names)),
            cache=cache,
            seen=watch_values(section, str(part.root), warnings, first + len(part.names)),
        )
        sets[name] = every_file.take(np.array(good))
        first += len(part.names)
    names = class_names(list(files.values()))
    return Parts(
        sets["train"],
        sets.get("validation"),
        sets.get("test"),
        len(findings.bad),
        replaced,
        names,
        origins=parts.origins,
        left_out=parts.left_out,
        notes=[*parts.notes, *shortages(cache)],
        warnings=warnings,
    )


def _none_readable(part: FileList) -> UserError:
    return file_error(part.root, f"none of the {len(part.names)} image files in this folder can be read.")
