"""Which files below a folder are images, and what else is there."""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cae.data.part_names import part_of
from cae.files import file_error, naming, printable, why
from cae.messages import number_of

EXTENSIONS = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp")

# Where systems and programs keep small copies, deleted files and the like; names in small letters. So do hidden ones.
_SYSTEM_FOLDERS = frozenset(
    [
        *("@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "recycler"),
        *("system volume information", "lost+found", "__macosx", "__pycache__", "thumbnails", "thumbs", "_thumbs"),
    ]
)
_GROUND_TRUTH = re.compile(r"ground[ _-]?truths?", re.IGNORECASE)
# Pictures of what is to be seen in the images beside them: these may be the images themselves where nothing is beside.
_MASKS = re.compile(r"gt|masks?|annotations?|labels?|segmentations?|segmentation(class|object)", re.IGNORECASE)
_IMAGES = re.compile(r"images?|imgs?|pictures?|photos?|jpegimages|rgb", re.IGNORECASE)

# Kinds of files that are left out, beside endings and folders.
BESIDE, UNREADABLE = "beside the parts", "unreadable"
_NAMED_KINDS = 20

FileId = tuple[int, int]


@dataclass(frozen=True)
class FileList:
    """Image files below one folder."""

    root: Path
    names: list[str]
    """Relative to `root`, with / between folders, sorted."""
    left_out: Counter[str] = field(default_factory=Counter)
    """How many other files there are: by ending (`.tif`), as `lost link`, `pipe`, `device` or `hidden file`, or by the
    name of a folder of which nothing is read (`@eaDir/`, `ground_truth/`)."""

    @property
    def paths(self) -> list[str]:
        """The files' full paths."""
        return [os.path.join(self.root, name) for name in self.names]

    @property
    def classes(self) -> list[str | None]:
        """For each file the sub-folder of `root` that it lies in, at any depth; None directly in `root`."""
        return [name.split("/", 1)[0] if "/" in name else None for name in self.names]


def list_images(root: Path, seen: set[FileId] | None = None, *, may_be_empty: bool = False) -> FileList:
    """List all image files below a folder, and count the others.

    Hidden files, hidden and system folders and ground-truth masks are left out. Links to folders are followed, but no
    folder is read twice.

    Args:
        root: the folder.
        seen: folders that are not read, or were read before; takes those that are read now.
        may_be_empty: whether a folder without an image is right.

    Raises:
        UserError: a folder cannot be read, or there is no image file.
    """
    with naming(root):
        found, seen = FileList(root, []), set() if seen is None else seen
        seen.add(file_id(root))
        _walk(root, "", found, seen)
    if not found.names and not may_be_empty:
        received = f" Received: {'; '.join(left_out_in_words(found.left_out))}." if found.left_out else ""
        endings = ", ".join(EXTENSIONS)
        raise file_error(root, f"there is no image file in this folder. Image files end in {endings}.{received}")
    found.names.sort()
    return found


def list_folders(folder: Path) -> list[str]:
    """List the sub-folders that `list_images` would read.

    Raises:
        UserError: the folder cannot be read.
    """
    folders = [entry.name for entry in _entries(folder) if _is_folder(entry)]
    return [name for name in folders if not _is_left_out(name, folders)]


def has_image(folder: Path) -> bool:
    """Whether there is a file below a folder that is an image by its name."""
    return any(map(_is_image, (name for _, _, names in os.walk(folder) for name in names)))


def file_id(path: str | Path) -> FileId:
    """What a file or folder has in common with every other path to it."""
    status = os.stat(path)
    return (status.st_dev, status.st_ino)


def left_out_in_words(left_out: Mapping[str, int]) -> list[str]:
    """Say how many files were left out: those of other kinds, those in places that are not read, those that are bad.

    >>> for words in left_out_in_words({".tif": 20, "pipe": 1, "@eaDir/": 3, UNREADABLE: 1}):
    ...     print(words)
    21 files of other kinds left out: .tif (20), pipe (1)
    3 files in other places left out: @eaDir/
    1 file that cannot be read left out
    """
    bad = {UNREADABLE: left_out[UNREADABLE]} if UNREADABLE in left_out else {}
    places = {kind: number for kind, number in left_out.items() if kind.endswith("/") or kind == BESIDE}
    kinds = {kind: number for kind, number in left_out.items() if kind not in places and kind != UNREADABLE}
    return [
        *([f"{_files(kinds)} of other kinds left out: {_named(kinds)}"] if kinds else []),
        *([f"{_files(places)} in other places left out: {_named(places)}"] if places else []),
        *([f"{_files(bad)} that cannot be read left out"] if bad else []),
    ]


def with_bad(left_out: Mapping[str, int], bad: int) -> dict[str, int]:
    """Add the number of files that cannot be read to those that were left out for their kind."""
    return {**left_out, **({UNREADABLE: bad} if bad else {})}


def _files(counts: Mapping[str, int]) -> str:
    return number_of(sum(counts.values()), "file")


def _named(counts: Mapping[str, int]) -> str:
    """Kinds, the most frequent first, with their numbers where there are several."""
    if len(counts) == 1:
        return printable(next(iter(counts)))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{printable(kind)} ({number:,})" for kind, number in ordered[:_NAMED_KINDS]]
    return ", ".join(shown) + (f" and {len(counts) - _NAMED_KINDS} more" if len(counts) > _NAMED_KINDS else "")


def _walk(folder: Path, prefix: str, found: FileList, seen: set[FileId]) -> None:
    entries = _entries(folder)
    folders = [entry.name for entry in entries if _is_folder(entry)]
    for entry in entries:
        if _is_folder(entry):
            if _is_left_out(entry.name, folders):
                _count(found.left_out, f"{entry.name}/", sum(len(names) for _, _, names in os.walk(entry.path)))
            elif (identity := file_id(entry.path)) not in seen:
                seen.add(identity)
                _walk(Path(entry.path), f"{prefix}{entry.name}/", found, seen)
        # A link that leads nowhere is listed, so that the scan names it.
        elif _is_image(entry.name) and (entry.is_symlink() or entry.is_file()):
            found.names.append(prefix + entry.name)
        else:
            _count(found.left_out, _kind(entry), 1)


def _count(counts: Counter[str], kind: str, number: int) -> None:
    if number:
        counts[kind] += number


def _is_left_out(folder: str, beside: Collection[str]) -> bool:
    if folder.startswith(".") or folder.lower() in _SYSTEM_FOLDERS or _GROUND_TRUTH.fullmatch(folder):
        return True
    return bool(_MASKS.fullmatch(folder)) and any(_IMAGES.fullmatch(name) or part_of(name) for name in beside)


def _is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS) and not name.startswith(".")


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return "hidden file"
    try:
        mode = os.stat(entry.path).st_mode
    except OSError:
        return "lost link"
    if not stat.S_ISREG(mode):
        return "pipe" if stat.S_ISFIFO(mode) else "socket" if stat.S_ISSOCK(mode) else "device"
    return os.path.splitext(entry.name)[1].lower() or "no ending"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as scan:
            return sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise file_error(folder, f"this folder cannot be read: {why(error)}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False
