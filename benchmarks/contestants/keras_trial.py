"""Measures a Keras model that is one layer, whoever wrote the layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contestants.exchange import KerasExchange, read_arrays, write_arrays
from benchmarks.single import LayerTask


class KerasTrial(KerasExchange):
    """Runs a layer forward, and forward and backward.

    Args:
        task: which layer.
        model: the layer; its first input is the one that gradients are taken for.
        record_switches: gives the switches of pixels.
        xla: compile with XLA.
    """

    def __init__(
        self, task: LayerTask, model: keras.Model, record_switches: Callable[[tf.Tensor], tf.Tensor], *, xla: bool
    ) -> None:
        self.model = model
        self._task = task
        self._record_switches = record_switches
        self._functions: dict[str, Any] = {
            "forward": tf.function(self._forward, autograph=False, jit_compile=xla),
            "forward and backward": tf.function(self._forward_and_backward, autograph=False, jit_compile=xla),
        }

    def load_inputs(self, path: str) -> None:
        """Take the inputs over, see `LayerTask.make_inputs`."""
        pixels, values, upstream = (tf.cast(array, self._task.compute_type) for array in read_arrays(path))
        self._inputs = [pixels if self._task.pools else values]
        if self._task.wants_switches:
            self._inputs.append(self._record_switches(pixels))
        self._upstream = upstream

    def write_results(self, out: str) -> None:
        """Write the output, and the gradients for the input and the weights."""
        write_arrays(out, [tf.cast(array, tf.float32) for array in self._functions["forward and backward"]()])

    def time(self, what: str, calls: int) -> float:
        """Seconds of one call, as a mean of so many."""
        function = self._functions[what]
        started = time.perf_counter()
        for _ in range(calls):
            made = function()
        np.asarray(tf.nest.flatten(made)[-1][..., :1])  # a device that computes on its own has to finish first
        return (time.perf_counter() - started) / calls

    def _forward(self) -> tf.Tensor:
        return self.model(self._inputs if len(self._inputs) > 1 else self._inputs[0], training=True)

    def _forward_and_backward(self) -> list[tf.Tensor]:
        wanted = [self._inputs[0], *self.model.trainable_variables]
        with tf.GradientTape() as tape:
            tape.watch(self._inputs[0])
            output = self._forward()
        return [output, *tape.gradient(output, wanted, output_gradients=self._upstream)]
