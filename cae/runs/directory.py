"""The run directory: the only thing that passes from training to everything after it."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cae.atomic_files import UNFINISHED, remove_leftovers, remove_unfinished, replacing_folder, write_text
from cae.errors import ConfigError, RunWarning, UserError, from_json
from cae.files import naming, open_regular
from cae.kinds.own_model import PARTS, file_name
from cae.runs import checksums
from cae.runs.lock import RunLock
from cae.runs.read_back import read_environment, read_metrics, read_summary


class RunDirectory:
    """Names the files of one run; nothing else knows their names.

    Args:
        path: RUNS_DIR/EXPERIMENT/NAME.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.environment = path / "environment.json"
        self.metrics = path / "metrics.jsonl"
        self.summary = path / "summary.json"
        self.checkpoints = path / "checkpoints"
        self.weights = path / "model.weights.h5"
        self.earlier_events = (path / "train", path / "validation")  # of version 0.1.0; now they are in `path`
        self.own_models = {part: path / file_name(part) for part in PARTS}
        self.reconstructions = path / "reconstructions.png"
        self.checksums = path / checksums.NAME
        self.page = path / "index.html"
        self.evaluation = path / "evaluation"
        self.visualization = path / "visualization"
        self.lock = RunLock(self._whole)

    @property
    def name(self) -> str:
        """The last part of its path, also where that was given as `.` or `..`."""
        return self._whole.name

    @property
    def experiment(self) -> str:
        """The name of the folder that it lies in."""
        return self._whole.parent.name

    @property
    def _whole(self) -> Path:
        # Not resolved: a link's own name is the one that the user gave.
        return Path(os.path.abspath(self.path))

    @property
    def exists(self) -> bool:
        """Whether a run was begun here."""
        return self.config.exists()

    @property
    def status(self) -> str | None:
        """The `status` of summary.json; None while a run is under way, after it was killed, or if it is damaged."""
        try:
            return self.read_summary().get("status")
        except UserError:
            return None

    @property
    def has_ended(self) -> bool:
        """Whether the run was trained to its last epoch, or to its early stop."""
        return self.status in ("finished", "stopped_early")

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint to go on from, whole or damaged."""
        return any(self.checkpoints.glob("step-*.json"))

    @property
    def training_files(self) -> list[Path]:
        """The files that a training writes, without the checksums of all."""
        named = (self.config, self.environment, self.metrics, self.summary, self.weights, self.reconstructions)
        folders = (self.checkpoints, *self.earlier_events)
        below = [file for folder in folders for file in folder.rglob("*")]
        found = [*named, *self.own_models.values(), *self.path.glob("events.out.tfevents.*.v2"), *below]
        return [file for file in found if file.is_file() and not file.name.startswith(UNFINISHED)]

    @property
    def added_later(self) -> list[str]:
        """Names of what is written into it later or anew: its page, folders, and events for TensorBoard."""
        logged = [file.name for file in self.path.glob("events.out.tfevents.*") if file.suffix != ".v2"]
        return [self.page.name, self.evaluation.name, self.visualization.name, *logged]

    def read_summary(self) -> dict[str, Any]:
        """What summary.json says, checked; see `cae.runs.read_back`."""
        return read_summary(self.summary)

    def read_warnings(self) -> list[RunWarning]:
        """What makes the run doubtful; nothing while it is under way, or after it was killed.

        Raises:
            UserError: summary.json is damaged.
        """
        return from_json(self.read_summary().get("warnings", [])) if self.summary.exists() else []

    def read_metrics(self) -> list[dict[str, Any]]:
        """The rows of metrics.jsonl, without a last one that was cut off in the middle; none without the file."""
        return read_metrics(self.metrics) if self.metrics.exists() else []

    def read_environment(self) -> dict[str, Any]:
        """What environment.json says, checked; nothing without the file."""
        return read_environment(self.environment) if self.environment.exists() else {}

    def digest_weights(self) -> str:
        """SHA-256 of the weights file."""
        with naming(self.weights), open_regular(self.weights) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def check_is_free(self) -> None:
        """Refuse to write over a run, or over something else."""
        if self.exists:
            state = self.status or "not finished"
            raise ConfigError(
                f"{self.path}: this run exists already ({state}). Use --resume to go on with it, --overwrite to"
                " start it afresh, or another `name`."
            )
        self.check_holds_nothing_else()

    def check_holds_nothing_else(self) -> None:
        """Refuse a folder with files in it that is not a run's."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"{self.path}: is a file, and a run needs a folder there.")
        if (
            self.path.is_dir()
            and not self.exists
            and any(
                # A kill while config.yaml was being written leaves its beginning.
                not path.name.startswith(UNFINISHED)
                for path in self.path.iterdir()
            )
        ):
            raise UserError(f"{self.path}: holds files but no run (no config.yaml); choose another `name`.")

    def create(self) -> None:
        """Make the folder; an old run in it goes away whole."""
        self.check_holds_nothing_else()
        try:
            remove_leftovers(self.path)
            if self.exists:
                # A kill while deleting must not leave half a run under its name.
                with replacing_folder(self.path):
                    pass
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written: {error.strerror or error}.") from error

    def restore_page(self) -> None:
        """Write the page of a run that has ended, where a kill came before it."""
        if not self.page.exists():
            from cae.runs.page import write_run_page

            write_run_page(self)

    def remove_unfinished(self) -> None:
        """Remove unfinished files of a training that was killed; only for the process that trains the run."""
        remove_unfinished(self.path)

    def cut_metrics(self, step: int) -> None:
        """Drop the rows of metrics.jsonl behind a step, which will be written again."""
        rows = [row for row in self.read_metrics() if row["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(row) + "\n" for row in rows))


def check_is_writable(folder: Path) -> None:
    """Find out now, not after an hour, that nothing can be written to a folder that may not exist yet."""
    nearest = folder
    while not nearest.exists():
        nearest = nearest.parent
    try:
        # Of a file without a name, a kill leaves nothing.
        with tempfile.TemporaryFile(prefix=UNFINISHED, dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error} ({nearest}).") from error


def open_run(path: Path, tell: Callable[[str], None] = print) -> RunDirectory:
    """Open a trained run for reading.

    Raises:
        UserError: if there is no run, or one without weights.
    """
    run = RunDirectory(path)
    if not run.exists:
        if path.is_file():
            hint = f"did you mean {path.parent}?" if RunDirectory(path.parent).exists else "`train` makes runs."
            raise UserError(f"{path}: is a file, and a run is a folder; {hint}")
        missing = "config.yaml in it" if path.is_dir() else "such folder"
        raise UserError(f"{path}: is not a run (there is no {missing}).{runs_near(path)}")
    if not run.weights.exists():
        raise UserError(f"{path}: has no model.weights.h5 yet; it is written after the first epoch.")
    if not run.has_ended:
        tell(f"{path}: this run is {run.status or 'not finished'}; its best weights so far are used.")
    return run


def runs_near(path: Path) -> str:
    """Name runs near a folder that is no run: in it, or beside it where its name or the experiment's is wrong."""
    folder = next((one for one in (path, path.parent) if one.is_dir()), path.parent.parent)
    found = [config.parent for pattern in ("*", "*/*") for config in folder.glob(f"{pattern}/config.yaml")]
    runs = sorted(str(run) for run in found if not run.name.startswith("."))
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return f" Runs in {folder}: {', '.join(runs[:5])}{more}." if runs else ""
