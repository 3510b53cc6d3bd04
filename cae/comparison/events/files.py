"""Event files that take the place of those of an earlier comparison, and of no others."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from cae.atomic_files import replacing

# Tells the comparison's event files from those of training, which may lie in the same folder.
_SUFFIX = ".comparison"


def replace_events(folder: Path, summaries: Iterable[tuple[int, Summary]]) -> None:
    """Write one event file, then remove those that earlier comparisons left in the folder.

    The new file has a new name, so that a TensorBoard that is running finds it; it comes complete or not at all.

    Args:
        folder: where to; made where it is missing.
        summaries: each with its step.

    Raises:
        OSError: the file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    now = time.time()
    new = folder / f"events.out.tfevents.{int(now)}.{uuid.uuid4().hex}{_SUFFIX}"
    with replacing(new) as temporary, tf.io.TFRecordWriter(str(temporary)) as writer:
        writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        for step, summary in summaries:
            writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
    remove_events(folder, but=new)


def remove_events(folder: Path, but: Path | None = None) -> None:
    """Remove event files of earlier comparisons, and what a kill left of one that was being written.

    Args:
        folder: which may hold other files, left alone.
        but: a file to keep.
    """
    for old in folder.glob(f"*events.out.tfevents.*{_SUFFIX}"):
        if old != but:
            old.unlink(missing_ok=True)
