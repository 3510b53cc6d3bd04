"""One layer of this program, or one stage of a decoder as the program computes it while training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.children import serve
from benchmarks.models import Task, plan_task
from benchmarks.single import BARE_LAYERS, LayerTask
from cae.engine import start_engine


def make_trial(**words: Any) -> Any:
    """Make the worker."""
    start_engine()
    import keras

    from benchmarks.contestants.keras_trial import KerasTrial
    from cae.layers import MaxPooling2DWithSwitches, MaxUnpooling2D

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
        return _make_stage_trial(task, lambda pixels: pooling(pixels)[1])
    return KerasTrial(task, model, lambda pixels: pooling(pixels)[1], xla=_uses_xla())


def _uses_xla() -> bool:
    """As `training.xla: auto`."""
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _make_stage_trial(task: LayerTask, record_switches: Callable[[Any], Any]) -> Any:
    """The first stage of a decoder of two: enlarge, convolve, ReLU, in the form that trains."""
    import keras

    from benchmarks.contestants.keras_trial import KerasTrial
    from cae.model import build_autoencoder
    from cae.model.lowered import StepContext, compute_steps, current_device
    from cae.plan.lowering import lower

    _, height, width, channels = task.shape
    precision = "float32" if task.compute_type == "float32" else f"mixed_{task.compute_type}"
    # The last stage of a decoder ends with as many channels as its encoder stage; the code may have more.
    stages = Task(task.layer, (4 * height, 4 * width, 3), (task.filters, channels), 1, precision)
    autoencoder = build_autoencoder(plan_task(stages), precision=precision)
    names = [operation.name for operation in autoencoder.plan.decoder]
    end = next(number for number, name in enumerate(names, start=1) if name.endswith("relu"))
    steps = lower(autoencoder.plan.decoder[:end], current_device(), task.compute_type, training=True)

    class StageTrial(KerasTrial):
        def _forward(self) -> Any:
            values, *switches = self._inputs
            context = StepContext(
                autoencoder.decoder, training=True, switches=dict(zip(["stage_2_pool"], switches, strict=False))
            )
            return compute_steps(steps, values, context)

    used = [tensor for tensor in autoencoder.decoder.inputs if not tensor.name.startswith("stage_1")]
    model = keras.Model(used if len(used) > 1 else used[0], autoencoder.decoder.get_layer(names[end - 1]).output)
    return StageTrial(task, model, record_switches, xla=_uses_xla())


if __name__ == "__main__":
    serve(make_trial)
