"""Checkpoints of everything that decides how training goes on: atomic, checksummed, the newest two kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cae.atomic_files import remove_unfinished, replacing, write_json
from cae.data.formats.array_files import NpzFile
from cae.errors import UserError
from cae.files import PARSING_ERRORS, open_regular, read_bytes

_FILE = re.compile(r"step-(\d+)\.json")


@dataclass(frozen=True)
class Checkpoint:
    """One state of a training.

    Args:
        step: number of steps that led to it.
        arrays: every variable, by name.
        counters: what the host keeps: epoch, best value, patience and the like; JSON.
    """

    step: int
    arrays: dict[str, np.ndarray]
    counters: dict[str, Any]


class _OtherVersionError(UserError):
    """A checkpoint that is whole, and of no use."""


class CheckpointFolder:
    """A folder of checkpoints: `step-N.npz` with the arrays, `step-N.json` with counters and the checksum.

    The `.json` is written last; without it a checkpoint does not count. Every bit of both files is under a checksum,
    and nothing in either is ever executed.

    Example:
        >>> import tempfile
        >>> folder = CheckpointFolder(Path(tempfile.mkdtemp()))
        >>> folder.save(Checkpoint(3, {"kernel": np.ones(2)}, {"epoch": 1}))
        >>> folder.load_newest(print).counters
        {'epoch': 1}
    """

    KEEP = 2
    FORMAT = 2  # goes up whenever older checkpoints can no longer be taken up

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, then remove all but the newest ones."""
        self.path.mkdir(exist_ok=True)
        arrays, record = self._files(checkpoint.step)
        with replacing(arrays) as temporary:
            np.savez(temporary, **checkpoint.arrays)  # type: ignore[arg-type]
            digest = _digest(temporary)
        content = {"format": self.FORMAT, "step": checkpoint.step, "arrays": digest, "counters": checkpoint.counters}
        write_json(record, {**content, "seal": _seal(content)})
        for step in self.steps()[self.KEEP :]:
            # The record goes first: arrays without one are no checkpoint, the other way round would be a broken one.
            for file in reversed(self._files(step)):
                file.unlink(missing_ok=True)
        self._remove_leftovers()

    def load_newest(self, tell: Callable[[str], None]) -> Checkpoint | None:
        """Load the newest checkpoint that is whole.

        Args:
            tell: is given a message for each checkpoint that had to be passed over.

        Returns:
            The checkpoint, or None when there never was one.

        Raises:
            UserError: if there are checkpoints but none is whole.
        """
        damaged = []
        for step in self.steps():
            try:
                return self._load(step)
            except _OtherVersionError:
                raise
            except (*PARSING_ERRORS, UserError) as error:
                damaged.append(self._files(step)[0])
                tell(f"{damaged[-1]}: this checkpoint is damaged ({error}) and passed over.")
        if damaged:
            names = ", ".join(str(path) for path in damaged)
            raise UserError(f"No whole checkpoint is left; damaged: {names}. Start again with --overwrite.")
        return None

    def steps(self) -> list[int]:
        """Steps of the checkpoints, newest first."""
        names = (_FILE.fullmatch(path.name) for path in self.path.glob("step-*.json"))
        return sorted((int(match.group(1)) for match in names if match), reverse=True)

    def _files(self, step: int) -> tuple[Path, Path]:
        return self.path / f"step-{step:010d}.npz", self.path / f"step-{step:010d}.json"

    def _load(self, step: int) -> Checkpoint:
        arrays_file, record_file = self._files(step)
        record = json.loads(read_bytes(record_file).decode("utf-8"))
        if not isinstance(record, dict):
            raise ValueError("the record is no JSON object")
        seal = record.pop("seal", None)
        # Formats before the second had none.
        if seal != _seal(record) and (seal is not None or record.get("format") == self.FORMAT):
            raise ValueError("the record's checksum differs")
        if record["step"] != step:
            raise ValueError("the record is not of this step")
        if record["format"] != self.FORMAT:
            raise _OtherVersionError(
                f"{record_file}: was written by another version of this program; finish the run with that one, or"
                " start again with --overwrite."
            )
        if _digest(arrays_file) != record["arrays"]:
            raise ValueError("checksum differs")
        return Checkpoint(step, _read_arrays(arrays_file), dict(record["counters"]))

    def _remove_leftovers(self) -> None:
        """Remove what a kill in the middle of writing left."""
        known = {file for step in self.steps() for file in self._files(step)}
        for path in self.path.glob("step-*.npz"):
            if path not in known:
                path.unlink(missing_ok=True)
        remove_unfinished(self.path)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays that take no more memory than their file has bytes: `save` compresses nothing."""
    file = NpzFile(path)
    if not file.is_stored:
        raise ValueError("its arrays are compressed, as a checkpoint's never are")
    if sum(header.num_bytes for header in file.headers.values()) > path.stat().st_size:
        raise ValueError("its arrays promise more bytes than the file has")
    return {name: file.load(name) for name in file.headers}


def _seal(record: dict[str, Any]) -> str:
    """SHA-256 of a record, however its file is laid out."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
