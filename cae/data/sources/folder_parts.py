"""Which image files of a folder belong to which part."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from cae.config.data import ImageFolderData
from cae.data.formats.file_kinds import read_start, wrong_kind
from cae.data.formats.image_lists import BESIDE, FileList, file_id, has_image, list_folders, list_images
from cae.data.part_names import PARTS, choose_parts, part_of
from cae.errors import UserError
from cae.files import file_error, naming, open_regular, printable

# Parts may lie in archive/, or in archive/images/.
_LEVELS = 3
_NAMED_FOLDERS = 5


@dataclass(frozen=True)
class FolderParts:
    """The image files of a folder by part, and what else is there."""

    files: dict[str, FileList]
    """`train`, and possibly `validation` and `test`."""
    origins: dict[str, str]
    """What a part was found by, where it was not all that there is: `folder test`."""
    left_out: Counter[str]
    """How many files are not read, by kind, as in `FileList.left_out`; `extra/` is a folder beside the parts."""
    notes: list[str]
    """Folders that look like a part but are not used as one."""

    @property
    def paths(self) -> list[str]:
        """The full paths of all image files, part after part."""
        return [path for part in self.files.values() for path in part.paths]


def find_parts(section: ImageFolderData) -> FolderParts:
    """List the image files of each part that the folder has: train, and possibly validation and test.

    A folder for training (`train`, `Training`, `train_images`, ...) with one for validation or test beside it is taken
    as these parts, also where they lie one or two levels down; nothing else there is read. Any other folder is the
    training part as a whole. `validation_path` and `test_path` are these parts wherever they lie. No folder is read
    twice: no image comes twice, or into two parts, by way of folders.

    Raises:
        UserError: a folder is missing, cannot be read, or holds no image file; or it is not clear what the parts are:
            several data sets side by side, two folders for one part, test images among those for training.
    """
    root = section.required_path
    _check_folder(root, "data.path")
    given = section.given_parts
    for part, folder in given.items():
        _check_folder(folder, f"data.{part}_path")
    with naming(root):
        home, own = _find_own(root, given)
    named = {part: home / name for part, name in own.items()} or {"train": root}
    named |= given
    roots = {part: named[part] for part in PARTS if part in named}
    origins = {part: f"folder {(home / own[part]).relative_to(root).as_posix()}" for part in own if part != "train"}
    origins |= {part: f"data.{part}_path" for part in given}
    seen = {file_id(folder) for folder in roots.values()}
    if len(seen) < len(roots):
        raise file_error(roots["train"], "two parts of the data must not be the same folder.")
    files = {part: list_images(folder, seen) for part, folder in roots.items()}
    notes = _doubtful(files["train"], is_whole=not own)
    left_out = sum((found.left_out for found in files.values()), Counter())
    if own:
        left_out += _beside(root, home, seen)
    return FolderParts(files, origins, left_out, notes)


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


def _check_folder(folder: Path, key: str) -> None:
    with naming(folder):
        if not folder.is_dir():
            received = "Received: a path where nothing is."
            if folder.exists():
                with open_regular(folder) as file:
                    received = wrong_kind(read_start(file))
            raise file_error(folder, f"`{key}` must be a folder of images. {received}")


def _find_own(root: Path, given: dict[str, Path]) -> tuple[Path, dict[str, str]]:
    """Find the folder in which the parts lie, and their names; without names where there are none."""
    level = {file_id(root): root}
    for _ in range(_LEVELS):
        found: dict[Path, dict[str, str]] = {}
        below: dict[tuple[int, int], Path] = {}
        for folder in level.values():
            names = list_folders(folder)
            if parts := _choose(folder, names, given):
                found[folder] = parts
            below |= {file_id(folder / name): folder / name for name in names}
        if len(found) > 1:
            found = {folder: parts for folder, parts in found.items() if has_image(folder / parts["train"])}
        if len(found) > 1:
            shown = [printable(folder.relative_to(root)) for folder in found]
            shown[_NAMED_FOLDERS:] = ["..."] if len(shown) > _NAMED_FOLDERS else []
            raise file_error(
                root,
                f"this folder holds {len(found)} data sets, each with parts of its own. Set `data.path` to one of them."
                f" Received: {', '.join(shown)}.",
            )
        if found:
            return next(iter(found.items()))
        level = below
    return root, {}


def _choose(folder: Path, names: list[str], given: dict[str, Path]) -> dict[str, str]:
    try:
        return choose_parts(names, given)
    except UserError as error:
        keys = "`data.path`, `data.validation_path` and `data.test_path`"
        raise file_error(folder, f"{printable(str(error))} Set {keys} to the folders that are meant.") from error


def _doubtful(train: FileList, *, is_whole: bool) -> list[str]:
    """Say which folders among the training images look like parts.

    Args:
        train: the training part.
        is_whole: whether that is all there is, as no parts were found.

    Raises:
        UserError: one looks like test or validation images, which would be trained on.
    """
    with_images = {PurePosixPath(folder) for folder in {os.path.dirname(name) for name in train.names}}
    folders = sorted(with_images.union(*(folder.parents for folder in with_images)))
    named = {folder: part for folder in folders if (part := part_of(folder.name))}
    # A folder with all images in it is what `data.path` was meant to be.
    parts = {f: part for f, part in named.items() if not all(name.startswith(f"{f}/") for name in train.names)}
    for folder, part in parts.items():
        if part in ("validation", "test"):
            has_train = any(other == "train" and f.parent == folder.parent for f, other in parts.items())
            remedy = f"set `data.path` to {printable(train.root / folder.parent)}, or " if has_train else ""
            raise file_error(
                train.root / folder,
                f"by its name this folder is for {part}, but its images would be trained on. To keep them out, {remedy}"
                f"set `data.{part}_path` to this folder. If it is for training, rename it.",
            )
    return [
        f"Warning: {printable(train.root / folder)}: there is no folder for validation or test beside this one, so all"
        f" images of {printable(train.root)} are taken together. To use this folder only, set `data.path` to it."
        for folder, part in parts.items()
        if part == "train" and is_whole
    ]


def _beside(root: Path, home: Path, seen: set[tuple[int, int]]) -> Counter[str]:
    """Count what is in a folder and not in its parts."""
    found = list_images(root, seen, may_be_empty=True)
    counts = Counter(found.left_out)
    prefix = "" if home == root else f"{home.relative_to(root).as_posix()}/"
    for name in found.names:
        first, slash, _ = name.removeprefix(prefix).partition("/")
        counts[f"{first}/" if slash else BESIDE] += 1
    return counts
