"""One layer of stock Keras, or as tutorials write it where Keras has none."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from benchmarks.children import serve
from benchmarks.contestants.keras_trial import KerasTrial
from benchmarks.contestants.plain_layers import ArgmaxPooling, ScatterUnpooling, upsample_and_convolve
from benchmarks.single import BARE_LAYERS, LayerTask


def make_trial(**words: Any) -> KerasTrial:
    """Make the worker."""
    task = LayerTask(**words)
    keras.config.set_dtype_policy("float32" if task.compute_type == "float32" else f"mixed_{task.compute_type}")
    _, height, width, channels = task.shape
    large = keras.Input((2 * height, 2 * width, channels), dtype=task.compute_type)
    values = keras.Input((height, width, channels), dtype=task.compute_type)
    argmax = keras.Input((height, width, channels), dtype="int64")
    if task.layer == "max_pool":
        model = keras.Model(large, ArgmaxPooling()(large)[0])
    elif task.layer == "max_pool_and_unpool":
        model = keras.Model(large, ScatterUnpooling()(ArgmaxPooling()(large)))
    elif task.layer in BARE_LAYERS:
        model = keras.Model([values, argmax], ScatterUnpooling()([values, argmax]))
    else:
        made = upsample_and_convolve(values, task.layer, task.filters, argmax)
        model = keras.Model([values, argmax] if task.wants_switches else values, made)
    # Pooling with argmax is unknown to XLA.
    xla = bool(tf.config.list_physical_devices("GPU")) and not (task.pools or task.wants_switches)
    return KerasTrial(task, model, lambda pixels: ArgmaxPooling()(pixels)[1], xla=xla)


if __name__ == "__main__":
    serve(make_trial)
