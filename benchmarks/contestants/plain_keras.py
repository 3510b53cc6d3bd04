"""Keras as its documentation teaches it: stock layers, `compile`, `fit` on arrays."""

from __future__ import annotations

import time
from typing import Any

import keras
import numpy as np

from benchmarks.children import serve
from benchmarks.contestants.exchange import KerasExchange
from benchmarks.contestants.plain_layers import POOLINGS, upsample_and_convolve
from benchmarks.models import Task
from benchmarks.pictures import make_pictures

UNKNOWN_TO_XLA = {"max_unpool", "max_unpool_per_place", "max_unpool_repeat"}
"""Kinds that need pooling with argmax, at which Keras would fail on a GPU, where it compiles with XLA by default."""


def build_autoencoder(task: Task) -> keras.Model:
    """Build the model of a task under the policy that is set."""
    inputs = x = keras.Input(tuple(task.image_shape), dtype="float32")
    switches: list[Any] = []
    for filters in task.filters:
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        if task.kind in POOLINGS:
            x, recorded = POOLINGS[task.kind]()(x)
            switches.append(recorded)
        else:
            x = keras.layers.MaxPooling2D()(x)
    for filters in task.decoder_filters:
        x = upsample_and_convolve(x, task.kind, filters, switches.pop() if switches else None)
    x = keras.layers.Conv2D(task.image_shape[2], 3, padding="same")(x)
    # As the guide on mixed precision has it: the last activation alone is float32.
    return keras.Model(inputs, keras.layers.Activation("sigmoid", dtype="float32")(x))


class BatchTimer(keras.callbacks.Callback):
    """Times from the first batch's beginning to the last one's end, without what `fit` does before and after."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            self._started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self._started


class KerasTraining(KerasExchange):
    """Trains a task's model with `fit`.

    Args:
        rounds_of: steps for which there are images.
        **words: of the task.
    """

    def __init__(self, rounds_of: int, **words: Any) -> None:
        self._task = Task(**words)
        keras.utils.set_random_seed(0)
        keras.config.set_dtype_policy(self._task.precision)
        height, width, channels = self._task.image_shape
        pictures = make_pictures(rounds_of * self._task.batch_size, (height, width, channels))
        self._images = pictures.astype(np.float32) / 255.0
        self.model = build_autoencoder(self._task)
        jit_compile = False if self._task.kind in UNKNOWN_TO_XLA else "auto"
        self.model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse", jit_compile=jit_compile)

    def train(self, steps: int) -> dict[str, float]:
        """Fit for one epoch of so many steps: all of `fit`, and its batches alone."""
        images = self._images[: steps * self._task.batch_size]
        timer = BatchTimer()
        started = time.perf_counter()
        self.model.fit(images, images, batch_size=self._task.batch_size, epochs=1, callbacks=[timer])
        return {"keras fit": time.perf_counter() - started, "keras batches": timer.seconds}


if __name__ == "__main__":
    serve(KerasTraining)
