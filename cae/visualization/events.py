"""The pictures for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

# Tells these event files from others in the same folder.
_SUFFIX = ".visualization"


def write_events(folder: Path, pictures: Mapping[str, np.ndarray]) -> None:
    """Write pictures as one event file; one that was written here before goes away.

    Args:
        folder: exists.
        pictures: tag to picture, uint8 of shape (height, width, 3).
    """
    before = list(folder.glob(f"events.out.tfevents.*{_SUFFIX}"))
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=_SUFFIX)
    with writer.as_default(step=0):
        for tag, picture in pictures.items():
            tf.summary.image(tag, picture[np.newaxis])
    writer.close()
    for path in before:
        path.unlink()
