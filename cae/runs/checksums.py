"""Checksums of a folder's files: written with the last of them, and held against them at any later time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from cae.atomic_files import UNFINISHED, write_json, write_text
from cae.errors import UserError
from cae.files import open_regular

NAME = "checksums.json"
_FORMAT = 1

State = Literal["ok", "changed", "missing", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What became of one file.

    Args:
        name: of the file, relative to the folder, with / between folders.
        state: `ok`; `changed` or `missing`, which are faults; `unknown` for one that came later.
        note: what else there is to say of it.
    """

    name: str
    state: State
    note: str = ""


def write_last(path: Path, value: Any, others: Iterable[Path]) -> None:
    """Write a JSON file as the last one of its folder, and just before it `checksums.json`, of this one and others.

    The file is there only once the others and the checksums are.

    Args:
        path: the JSON file.
        value: its content.
        others: files of the folder or below it; those that are not there are left out.

    Raises:
        OSError: a file cannot be written.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    files = {file.relative_to(path.parent).as_posix(): _entry(file) for file in sorted(others) if _is_plain(file)}
    files[path.name] = {"bytes": len(text.encode()), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    record = {"format": _FORMAT, "files": files}
    write_json(path.parent / NAME, {**record, "seal": _seal(record)})
    write_text(path, text)


def verify(folder: Path, *, without: Iterable[str] = ()) -> list[Finding] | None:
    """Hold the files of a folder against its checksums.

    Args:
        folder: in which `checksums.json` lies.
        without: names of files and folders in it that are somebody else's.

    Returns:
        A finding for each file, sorted by state and name; None where there are no checksums.

    Raises:
        UserError: `checksums.json` itself is damaged.
        OSError: a file cannot be read.
    """
    if not os.path.lexists(folder / NAME):
        return None
    known = _read(folder / NAME)
    findings = [_find(folder / name, name, entry) for name, entry in known.items()]
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        is_mine = name.split("/")[0] not in without and name != NAME and not path.name.startswith(UNFINISHED)
        if is_mine and name not in known and (path.is_symlink() or not path.is_dir()):
            findings.append(Finding(name, "unknown"))
    order = ("ok", "unknown", "changed", "missing")
    return sorted(findings, key=lambda finding: (order.index(finding.state), finding.name))


def _find(path: Path, name: str, entry: Mapping[str, Any]) -> Finding:
    if not os.path.lexists(path):
        return Finding(name, "missing")
    if not _is_plain(path):
        return Finding(name, "changed", "no longer a regular file")
    size, expected = path.stat().st_size, entry["bytes"]
    if size != expected:
        return Finding(name, "changed", f"{size:,} bytes instead of {expected:,}")
    if _entry(path)["sha256"] != entry["sha256"]:
        return Finding(name, "changed", "another content of the same size")
    return Finding(name, "ok")


def _entry(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "sha256")
        return {"bytes": file.tell(), "sha256": digest.hexdigest()}


def _is_plain(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    damaged = f"{path}: is damaged, or was changed by hand; nothing can be held against it."
    if not _is_plain(path) or path.stat().st_size > 1 << 24:
        raise UserError(damaged)
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        seal, files = record.pop("seal"), record["files"]
        is_whole = seal == _seal(record) and record["format"] == _FORMAT and all(map(_leads_nowhere, files))
        is_whole &= all(type(e["bytes"]) is int and type(e["sha256"]) is str for e in files.values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(damaged) from error
    if not is_whole:
        raise UserError(damaged)
    return files


def _leads_nowhere(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name and bool(path.name)


def _seal(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
