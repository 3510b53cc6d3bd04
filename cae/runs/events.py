"""TensorBoard event files: those of a run that is taken up again, and those that take the place of earlier ones."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.util import tensor_util

from cae.atomic_files import UNFINISHED, remove_if_left, replacing
from cae.errors import UserError
from cae.files import naming, open_regular

_PREFIX = "events.out.tfevents."
# What the names of a training's own event files end in, as TensorFlow has it.
_OF_TRAINING = ".v2"


def cut_events(folder: Path, step: int, without: Collection[str] = ()) -> None:
    """Remove events behind a step, so that curves do not go back and forth when the steps are taken again.

    What remains becomes one file. A file that was cut off in the middle of an event is read up to there.

    Args:
        folder: with event files of a training; others are left alone.
        step: the last step to keep.
        without: tags of which nothing is kept, whatever its step.

    Raises:
        UserError: the file cannot be written, for instance on a full disk.
    """
    files = training_events(folder)
    if not files:
        return
    merged = files[0].with_name(_name_before_now(files[0].name))
    with naming_event_failures(folder):
        with replacing(merged) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
            copied: set[bytes] = set()
            for file in files:
                _copy(file, step, without, writer, copied)
        for file in files:
            if file != merged:
                file.unlink()


def training_events(folder: Path) -> list[Path]:
    """The event files that training has written into a folder."""
    return sorted(folder.glob(f"{_PREFIX}*{_OF_TRAINING}"))


def write_figures(run: Path, split: str, figures: Mapping[str, float], step: int) -> None:
    """Write what an evaluation found into its run, for TensorBoard's curves and its table of hyperparameters.

    Args:
        run: its directory; what was found on the split before is replaced.
        split: of the images.
        figures: each metric's name to its mean.
        step: the epoch whose weights were measured.

    Raises:
        OSError: it cannot be written.
    """
    remove_events(run / "evaluation", ".comparison")  # where earlier versions wrote them
    replace_events(run, f".{split}", [(step, scalar_pb(f"{split}/{name}", value)) for name, value in figures.items()])


def replace_events(folder: Path, suffix: str, summaries: Iterable[tuple[int, Summary]]) -> None:
    """Write one event file, then remove the earlier ones of the same kind from the folder.

    The new file has a new name, so that a TensorBoard that is running finds it; it comes complete or not at all.

    Args:
        folder: where to; made where it is missing.
        suffix: what the file's name ends in, `.comparison` for instance: tells this kind from others in the folder.
        summaries: each with its step.

    Raises:
        OSError: the file cannot be written; or UserError, where TensorFlow says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    new = folder / f"{_PREFIX}{int(now)}.{uuid.uuid4().hex}{suffix}"
    with naming_event_failures(folder), replacing(new) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
    remove_events(folder, suffix, but=new)


def remove_events(folder: Path, suffix: str, but: Path | None = None) -> None:
    """Remove event files of one kind, and what a kill left of one that was being written.

    Args:
        folder: which may hold other files, left alone.
        suffix: what their names end in.
        but: a file to keep.
    """
    for old in folder.glob(f"{_PREFIX}*{suffix}"):
        if old != but:
            old.unlink(missing_ok=True)
    for unfinished in folder.glob(f"{UNFINISHED}*{_PREFIX}*{suffix}"):
        remove_if_left(unfinished)


def image_summary(tag: str, picture: np.ndarray, description: str | None = None) -> Summary:
    """A picture, uint8 of shape (height, width, 3), under Images; the description is Markdown."""
    encoded = io.BytesIO()
    Image.fromarray(picture).save(encoded, format="PNG")
    height, width = picture.shape[:2]
    summary = Summary()
    summary.value.add(
        tag=tag,
        metadata=image_metadata.create_summary_metadata(None, description),
        tensor=tensor_util.make_tensor_proto([str(width).encode(), str(height).encode(), encoded.getvalue()]),
    )
    return summary


@contextlib.contextmanager
def naming_event_failures(folder: Path) -> Iterator[None]:
    """Turn what TensorFlow says of event files that it cannot write into an error that names folder and reason.

    Raises:
        UserError: instead of TensorFlow's errors, which would pass for a lack of memory when the disk is full.
    """
    try:
        yield
    except tf.errors.OpError as error:
        message = str(error)
        told = re.search(rf"{re.escape(_PREFIX)}\S*; ([^\n]+)", message)
        raise UserError(
            f"{folder}: events cannot be written: {told[1] if told else _without_operations(message)}"
        ) from error


def _without_operations(message: str) -> str:
    """What TensorFlow says, without the names of its operations around it."""
    return re.sub(r"\{\{[^}]*\}\}\s*|\s*\[Op:.*", "", message, flags=re.DOTALL)


def _name_before_now(name: str) -> str:
    """The name of a file that TensorBoard reads before those of a writer that is opened next.

    It reads files in the order of their names, which carry the second of their making; the clock may have been put
    back since.
    """
    second, _, rest = name.removeprefix(_PREFIX).partition(".")
    if not second.isdigit() or int(second) < int(time.time()):
        return name
    return f"{_PREFIX}{int(time.time()) - 1:010d}.{rest}"


def _copy(file: Path, step: int, without: Collection[str], writer: tf.io.TFRecordWriter, copied: set[bytes]) -> None:
    """Copy what is not there yet: a kill may have left files beside the one that they had been merged into."""
    with naming(file):
        open_regular(file).close()
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    while True:
        try:
            record = next(records)
            event = Event.FromString(record)
        except (StopIteration, tf.errors.DataLossError, DecodeError):
            return
        digest = hashlib.blake2b(record, digest_size=16).digest()
        is_dropped = any(value.tag in without for value in event.summary.value)
        if digest not in copied and event.step <= step and not is_dropped:
            copied.add(digest)
            writer.write(record)
