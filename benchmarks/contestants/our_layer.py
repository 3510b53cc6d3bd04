"""One layer of this program: as it stands in a decoder that the program builds, or alone."""

from __future__ import annotations

from typing import Any

from benchmarks.children import serve
from benchmarks.models import Task, plan_task
from benchmarks.single import BARE_LAYERS, LayerTask
from cae.engine import start_engine


def make_trial(**words: Any) -> Any:
    """Make the worker."""
    start_engine()
    import keras
    import tensorflow as tf

    from benchmarks.contestants.keras_trial import KerasTrial
    from cae.layers import MaxPooling2DWithSwitches, MaxUnpooling2D
    from cae.model import build_autoencoder

    task = LayerTask(**words)
    _, height, width, channels = task.shape
    dtype = task.compute_type
    pooling = MaxPooling2DWithSwitches(dtype=dtype)
    large = keras.Input((2 * height, 2 * width, channels), dtype=dtype)
    if task.layer == "max_pool":
        model = keras.Model(large, pooling(large)[0])
    elif task.layer == "max_pool_and_unpool":
        model = keras.Model(large, MaxUnpooling2D(dtype=dtype)(pooling(large)))
    elif task.layer in BARE_LAYERS:
        values = keras.Input((height, width, channels), dtype=dtype)
        switches = keras.Input((height, width, channels), dtype="uint8")
        model = keras.Model([values, switches], MaxUnpooling2D(dtype=dtype)([values, switches]))
    else:
        precision = "float32" if dtype == "float32" else f"mixed_{dtype}"
        # The last stage of a decoder ends with as many channels as its encoder stage; the code may have more.
        stages = Task(task.layer, (4 * height, 4 * width, 3), (task.filters, channels), 1, precision)
        decoder = build_autoencoder(plan_task(stages), precision=precision).decoder
        model = _first_stage(decoder)
    xla = bool(tf.config.list_physical_devices("GPU"))  # as `training.xla: auto`
    return KerasTrial(task, model, lambda pixels: pooling(pixels)[1], xla=xla)


def _first_stage(decoder: Any) -> Any:
    """The part of a decoder of two stages that ends where the second one begins."""
    import keras

    end = next(layer for layer in decoder.layers if layer.name.endswith("relu")).output
    used = [tensor for tensor in decoder.inputs if not tensor.name.startswith("stage_1")]
    return keras.Model(used if len(used) > 1 else used[0], end)


if __name__ == "__main__":
    serve(make_trial)
