"""Which image files of a folder belong to which part."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cae.config.data import ImageFolderData
from cae.data.file_errors import file_error, naming, printable, required_path, why

EXTENSIONS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp")
# Pictures that users have, and that are not read.
_OTHERS = (".svg", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".dng")

_FileId = tuple[int, int]


@dataclass(frozen=True)
class FileList:
    """Image files below one folder."""

    root: Path
    names: list[str]
    """Relative to `root`, with / between folders, sorted."""
    unread: list[str] = field(default_factory=list)
    """Likewise the files beside them that are pictures by their names, but of kinds that are not read."""

    @property
    def paths(self) -> list[str]:
        """The files' full paths."""
        return [os.path.join(self.root, name) for name in self.names]

    @property
    def classes(self) -> list[str | None]:
        """For each file the sub-folder of `root` that it lies in, at any depth; None directly in `root`."""
        return [name.split("/", 1)[0] if "/" in name else None for name in self.names]


def find_parts(section: ImageFolderData) -> dict[str, FileList]:
    """List the image files of each part that the folder has: train, and possibly validation and test.

    A folder with train/ and at least one of test/, validation/ and val/ is taken as these parts, and nothing else in it
    is read. Any other folder is the training part as a whole. `test_path` is the test part wherever it lies.
    Hidden files and folders are left out. Links to folders are followed, but no folder is read twice, and none of
    another part: no image comes twice, or into two parts, by way of folders.

    Raises:
        UserError: A folder is missing, cannot be read, or holds no image file.
    """
    roots = _find_roots(section)
    seen = {_file_id(root) for root in roots.values()}
    if len(seen) < len(roots):
        raise file_error(roots["train"], "two parts of the data must not be the same folder.")
    return {part: _list_images(root, seen) for part, root in roots.items()}


def list_images(root: Path) -> FileList:
    """List all image files below a folder, whatever its sub-folders are called; else as `find_parts`.

    Raises:
        UserError: The folder cannot be read, or holds no image file.
    """
    with naming(root):
        return _list_images(root, {_file_id(root)})


def class_names(parts: list[FileList]) -> list[str]:
    """Names of the classes: sub-folders in sorted order over all parts."""
    return sorted({c for part in parts for c in part.classes if c is not None})


def number_classes(parts: list[FileList]) -> list[np.ndarray | None]:
    """Number each part's classes, sub-folders in sorted order over all parts; None for a part with unsorted images."""
    numbers = {name: number for number, name in enumerate(class_names(parts))}
    return [
        None if None in part.classes else np.array([numbers[c] for c in part.classes if c is not None], np.int64)
        for part in parts
    ]


def _find_roots(section: ImageFolderData) -> dict[str, Path]:
    root = required_path(section.path)
    _check_folder(root, "data.path")
    own = {part: root / folder for part, folder in _PART_FOLDERS if (root / folder).is_dir()}
    roots = own if "train" in own and len(own) > 1 else {"train": root}
    if section.test_path is not None:
        roots["test"] = Path(section.test_path)
        _check_folder(roots["test"], "data.test_path")
    return roots


def _check_folder(folder: Path, key: str) -> None:
    with naming(folder):
        if not folder.is_dir():
            received = "a file" if folder.exists() else "a path where nothing is"
            raise file_error(folder, f"`{key}` must be a folder of images. Received: {received}.")


# Of validation/ and val/, the last one that exists counts.
_PART_FOLDERS = (("train", "train"), ("validation", "val"), ("validation", "validation"), ("test", "test"))


def _list_images(root: Path, seen: set[_FileId]) -> FileList:
    found = FileList(root, [])
    _walk(root, "", found, seen)
    if not found.names:
        example = f" Received: {printable(found.unread[0])} and the like." if found.unread else ""
        endings = ", ".join(EXTENSIONS)
        raise file_error(root, f"there is no image file in this folder. Image files end in {endings}.{example}")
    found.names.sort()
    found.unread.sort()
    return found


def _walk(folder: Path, prefix: str, found: FileList, seen: set[_FileId]) -> None:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise file_error(folder, f"this folder cannot be read: {why(error)}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            if (identity := _file_id(entry.path)) not in seen:
                seen.add(identity)
                _walk(Path(entry.path), f"{prefix}{entry.name}/", found, seen)
        # A link that leads nowhere is listed, so that the scan names it.
        elif entry.name.lower().endswith(EXTENSIONS) and (entry.is_symlink() or entry.is_file()):
            found.names.append(prefix + entry.name)
        elif entry.name.lower().endswith(_OTHERS):
            found.unread.append(prefix + entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _file_id(path: str | Path) -> _FileId:
    status = os.stat(path)
    return (status.st_dev, status.st_ino)
