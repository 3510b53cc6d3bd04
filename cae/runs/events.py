"""TensorBoard event files of a run that is taken up again."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from cae.atomic_files import replacing


def cut_events(folder: Path, step: int) -> None:
    """Remove events behind a step, so that curves do not go back and forth when the steps are taken again.

    What remains becomes one file. A file that was cut off in the middle of an event is read up to there.

    Args:
        folder: with event files; others are left alone.
        step: the last step to keep.
    """
    files = sorted(folder.glob("events.out.tfevents.*"))
    if not files:
        return
    # The first file's name keeps its place in time before those of the writer that is opened next.
    with replacing(files[0]) as temporary:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for file in files:
                _copy(file, step, writer)
        for file in files[1:]:
            file.unlink()


def _copy(file: Path, step: int, writer: tf.io.TFRecordWriter) -> None:
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    while True:
        try:
            record = next(records)
        except (StopIteration, tf.errors.DataLossError):
            return
        event = Event.FromString(record)
        if event.step <= step:
            writer.write(record)
