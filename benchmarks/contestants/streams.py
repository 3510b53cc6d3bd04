"""Streams of batches: the program's from a `data` section, and Keras' and TensorFlow's own."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.children import serve
from benchmarks.pictures import make_pictures
from cae.engine import start_engine


class OurStream:
    """The program's training stream.

    Args:
        section: a `data` section as a configuration has it; None for random pictures in memory.
        shape: (height, width, channels) of the pictures, or what section's images are brought to.
        number: pictures in memory.
        batch_size: images in a batch.
    """

    def __init__(self, section: dict[str, Any] | None, shape: list[int], number: int, batch_size: int) -> None:
        start_engine()
        from cae.config import RunConfig
        from cae.data.image_set import ArraySet

        self._batch_size = batch_size
        if section is None:
            self._images: Any = ArraySet(make_pictures(number, (shape[0], shape[1], shape[2])))
        else:
            self._section = RunConfig.model_validate({"data": section | {"image_size": shape[:2]}}).data

    def open(self) -> float:
        """Find and check the images; returns the seconds it takes."""
        from cae.data.load import load_splits

        started = time.perf_counter()
        self._images = load_splits(self._section).train
        return time.perf_counter() - started

    def read(self) -> float:
        """Read one epoch; returns images a second."""
        from cae.data.pipeline import make_training_batches, steps_per_epoch

        started = time.perf_counter()
        # A training has one stream for all epochs. Here it begins anew, so that nothing is read ahead between turns.
        batches = iter(make_training_batches(self._images, self._batch_size, seed=0))
        for _ in range(steps_per_epoch(len(self._images), self._batch_size)):
            next(batches)
        return len(self._images) / (time.perf_counter() - started)


class PlainStream:
    """`image_dataset_from_directory`, or `from_tensor_slices` for pictures in memory; shuffled and prefetched.

    Args:
        path: folder of images; None for pictures in memory.
        cache: None, `memory`, or a file's name.
        shape: as for `OurStream`.
        number: as for `OurStream`.
        batch_size: as for `OurStream`.
    """

    def __init__(self, path: str | None, cache: str | None, shape: list[int], number: int, batch_size: int) -> None:
        start_engine()
        self._path, self._cache, self._shape, self._batch_size = path, cache, shape, batch_size
        self._number = number
        self._data: Any = None
        self._is_prepared = False

    def open(self) -> float:
        """List the images, which is all that Keras does here; returns the seconds it takes."""
        import keras

        started = time.perf_counter()
        self._data = keras.utils.image_dataset_from_directory(
            self._path, labels=None, image_size=tuple(self._shape[:2]), batch_size=self._batch_size, verbose=False
        )
        return time.perf_counter() - started

    def read(self) -> float:
        """Read one epoch; returns images a second."""
        if not self._is_prepared:
            self._prepare()
        started, images = time.perf_counter(), 0
        for batch in self._data:
            images += int(batch.shape[0])
        return images / (time.perf_counter() - started)

    def _prepare(self) -> None:
        import tensorflow as tf

        self._is_prepared = True
        if self._path is None:
            height, width, channels = self._shape
            pictures = make_pictures(self._number, (height, width, channels))
            self._data = tf.data.Dataset.from_tensor_slices(pictures).shuffle(self._number).batch(self._batch_size)
        else:
            self.open()
        self._data = self._data.map(lambda batch: tf.cast(batch, tf.float32) / 255.0, tf.data.AUTOTUNE)
        if self._cache is not None:
            self._data = self._data.cache("" if self._cache == "memory" else self._cache)
        self._data = self._data.prefetch(tf.data.AUTOTUNE)


def _make(whose: str, **words: Any) -> OurStream | PlainStream:
    return OurStream(**words) if whose == "cae" else PlainStream(**words)


if __name__ == "__main__":
    serve(_make)
