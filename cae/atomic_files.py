"""Files and folders that are either old or new, never half: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import csv
import ctypes
import errno
import functools
import glob
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cae.errors import UserError
from cae.files import printable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

UNFINISHED = ".writing-"
"""What names of files begin with that are being written, or were when the program was killed."""
# Holds files that are whole and only wait to be moved into the folder that it lies in.
_WHOLE = ".whole"
_AT_FOLDER, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
# Some spreadsheets take the wide forms as well.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there takes the place of `path` when all went well.

    The temporary name keeps the suffixes of `path`, since some writers choose their format by them. What a kill left of
    an earlier try is removed.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with replacing(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'

    Raises:
        UserError: if `path` is something else than a regular file.
        OSError: it cannot be written; `filename` is `path`.
    """
    if path.exists() and not path.is_file():
        # A rename would put a file instead of a folder, a device or a pipe.
        raise UserError(f"{path}: is there already and is not a regular file.")
    with naming_failures(path), _beside(path, is_folder=False) as temporary:
        yield temporary
        _sync(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`; it takes the place of `path`, whole, when all went well.

    At every moment one of the two, the old folder or the new one, has the name `path`. Where the system cannot exchange
    two folders at once, a kill between two renames leaves the old one under the name `.old-NAME`; the next call of
    this function or of `restore_folder` gives it its name back. What a kill left of an earlier try is removed.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "new" / "folder"
        >>> with replacing_folder(target) as temporary:
        ...     _ = (temporary / "a.txt").write_text("whole")
        >>> [file.name for file in target.iterdir()]
        ['a.txt']

    Raises:
        OSError: something cannot be written; `filename` is where it was to be.
        UserError: as the block raised it, with names below `path`.
    """
    path = Path(os.path.realpath(path))  # of a link, what it leads to is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    restore_folder(path)
    with _beside(path, is_folder=True) as temporary, _naming_final(temporary, path):
        yield temporary
        _sync_tree(temporary)
        os.chmod(temporary, 0o777 & ~_umask())
        if path.exists():
            _swap(temporary, path)
        else:
            os.rename(temporary, path)
        _sync_folder(path.parent)


@contextlib.contextmanager
def filling_folder(path: Path) -> Iterator[Path]:
    """Give an empty folder; what was written there is in `path` when all went well, and nothing of it before.

    A `path` that is not there appears whole. One that is there keeps its other files, and files of the same names are
    replaced; a kill while they move leaves them whole in a hidden folder, and the next call moves the rest first.

    Raises:
        UserError: a folder is instead of a file; or as the block raised it, with names below `path`.
        OSError: something cannot be written; `filename` is where it was to be.
    """
    if not path.exists():
        with replacing_folder(path) as temporary:
            yield temporary
        return
    _move_whole(path)
    with _beside(path / "results", is_folder=True) as temporary, _naming_final(temporary, path):
        yield temporary
        _check_can_move(temporary, path)
        _sync_tree(temporary)
        # From here on all of it counts, and before it nothing did.
        os.rename(temporary, path / _WHOLE)
        _sync_folder(path)
        _move_whole(path)


def is_usable(folder: Path) -> bool:
    """Whether nothing lies in a folder but what a kill left of filling it; there may be none."""
    if not folder.is_dir() or (folder / _WHOLE).is_dir():
        return True
    return all(entry.name.startswith(UNFINISHED) for entry in folder.iterdir())


def restore_folder(path: Path) -> None:
    """Give a folder its name back where a kill, while it was being replaced, left it without."""
    aside = _aside(path)
    if aside.is_dir() and not os.path.lexists(path):
        os.rename(aside, path)
    elif aside.is_dir():
        shutil.rmtree(aside)


@contextlib.contextmanager
def naming_failures(path: Path) -> Iterator[None]:
    """Let what goes wrong in the block, in which a file is written, name this file and the system's reason alone.

    On a full disk libraries name no file or a temporary one, and some print a page of their own state.

    Example:
        >>> with naming_failures(Path("metrics.jsonl")):
        ...     raise OSError(28, "write failed: time = ..., errno = 28, buf = 0x55627f6b1628")
        Traceback (most recent call last):
        OSError: [Errno 28] No space left on device: 'metrics.jsonl'

    Raises:
        OSError: instead of any other, and instead of the RuntimeError that HDF5 gives when it closes a file.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        told = re.search(r"errno = (\d+)", str(error))
        number = getattr(error, "errno", None) or (int(told[1]) if told else None)
        if number is None and not isinstance(error, OSError):
            raise
        reason = os.strerror(number) if number else str(error).split("\n")[0]
        raise OSError(number or errno.EIO, reason, str(path)) from error


def remove_leftovers(path: Path) -> None:
    """Remove what kills in the middle of writing `path` left beside it, but not what a process still writes."""
    for leftover in path.parent.glob(f"{UNFINISHED}????????-{glob.escape(path.name)}"):
        remove_if_left(leftover)


def remove_if_left(path: Path) -> None:
    """Remove what a process that has ended was writing; where that is not known, it stays."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(path)
        finally:
            os.close(handle)


def remove_unfinished(folder: Path) -> None:
    """Remove what a `replacing` that was killed left in a folder; no other process may be writing there."""
    for path in folder.glob(f"{UNFINISHED}*"):
        _remove(path)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        # A path may hold bytes that are no text.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextlib.contextmanager
def writing_table(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Sequence[object]], object]]:
    """Write a .csv file atomically; what the block is given adds a row.

    Names in it are made by `table_cell`, so that no spreadsheet takes one for a formula.

    Args:
        path: of the file.
        columns: the first line.
    """
    with replacing(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(columns)
        yield rows.writerow


def table_cell(name: str) -> str:
    r"""Write a name so that a spreadsheet shows it and computes nothing: an apostrophe goes before = + - @ and itself.

    Control characters and bytes that are no text are escaped. Different names stay different.

    >>> print(table_cell("=1+1.png"), table_cell("a=1.png"), table_cell("caf\udce9.png"))
    '=1+1.png a=1.png caf\udce9.png
    """
    text = printable(name)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA or text.startswith("'") else text


def append_text(path: Path, text: str) -> None:
    """Add text to the end of a file, or begin one, and flush it to the disk.

    Raises:
        UserError: if `path` is a link, which may lead to somebody else's file, or no regular file.
        OSError: it cannot be written; `filename` is `path`.
    """
    quiet = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UserError(f"{path}: is a link or no regular file, and nothing is written through one.")
    with naming_failures(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | quiet, 0o666)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically; NaN and infinity, which JSON does not know, are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def _beside(path: Path, *, is_folder: bool) -> Iterator[Path]:
    """Give a new file or folder beside `path` that is gone after the block, unless it was given another name."""
    remove_leftovers(path)
    temporary, handle = _make_locked(path, is_folder=is_folder)
    try:
        yield temporary
    finally:
        # What goes wrong here must not hide what went wrong before.
        with contextlib.suppress(OSError):
            _remove(temporary)
        if handle is not None:
            os.close(handle)


def _make_locked(path: Path, *, is_folder: bool) -> tuple[Path, int | None]:
    """Make a file or folder whose lock tells other processes, for as long as this one lives, that it is in use."""
    while True:
        affixes: dict[str, Any] = {"prefix": UNFINISHED, "suffix": f"-{path.name}", "dir": path.parent}
        if is_folder:
            with naming_failures(path):
                temporary = Path(tempfile.mkdtemp(**affixes))
            handle = os.open(temporary, os.O_RDONLY) if fcntl is not None else None
        else:
            handle, name = tempfile.mkstemp(**affixes)
            temporary = Path(name)
        if fcntl is None or handle is None:
            if handle is not None:
                os.close(handle)  # Windows renames no open file
            return temporary, None
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, handle
        os.close(handle)  # another process took it for a leftover just before it was locked


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _swap(new: Path, path: Path) -> None:
    """Give two folders each other's name; where the system cannot, `new` is gone and its content is `path`'s."""
    if _exchange(new, path):
        return
    aside = _aside(path)
    os.rename(path, aside)
    try:
        os.rename(new, path)
    except BaseException:
        os.rename(aside, path)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two names in one step of the file system, as Linux can on most of them; gives whether it did."""
    if (rename := _renameat2()) is None:
        return False
    return rename(_AT_FOLDER, os.fsencode(one), _AT_FOLDER, os.fsencode(other), _EXCHANGE) == 0


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    found = getattr(ctypes.CDLL(None), "renameat2", None) if os.name == "posix" else None
    if found is not None:
        found.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return found


def _aside(path: Path) -> Path:
    return path.with_name(f".old-{path.name}")


def _move_whole(folder: Path) -> None:
    """Move files that wait in a folder to their places in it."""
    whole = folder / _WHOLE
    if not whole.is_dir():
        return
    # In the order in which they were written: what promises that others are there comes after them.
    for file in sorted(_files(whole), key=lambda file: file.stat().st_mtime_ns):
        target = folder / file.relative_to(whole)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    shutil.rmtree(whole)
    _sync_folder(folder)


def _check_can_move(source: Path, folder: Path) -> None:
    for file in _files(source):
        target = folder / file.relative_to(source)
        if target.is_dir():
            raise UserError(f"{target}: is a folder, and a file of this name is to be written.")
        for parent in target.parents:
            if parent.exists() and not parent.is_dir():
                raise UserError(f"{parent}: is a file, and a folder is needed there.")


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir())


@contextlib.contextmanager
def _naming_final(temporary: Path, path: Path) -> Iterator[None]:
    """Let errors name files where they were to be, and not where they were written."""
    try:
        yield
    except OSError as error:
        if isinstance(error.filename, str):
            error.filename = error.filename.replace(str(temporary), str(path))
        raise
    except UserError as error:
        error.args = tuple(str(argument).replace(str(temporary), str(path)) for argument in error.args)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _sync_tree(folder: Path) -> None:
    for file in _files(folder):
        _sync(file)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets folders be opened."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
