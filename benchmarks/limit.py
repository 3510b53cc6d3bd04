"""What the machine can do at most: the fastest of several 3x3 convolutions, forward."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.children import serve
from cae.engine import start_engine

# (batch, side, channels): small and large pictures with as many channels as keep every vector unit busy.
_SHAPES = ((16, 32, 256), (16, 64, 128), (32, 32, 128), (64, 32, 64))
_SECONDS_PER_SHAPE = 0.15


class ConvolutionPeak:
    """Measures convolutions in one type.

    Args:
        compute_type: `float32` or `bfloat16`.
    """

    def __init__(self, compute_type: str) -> None:
        start_engine()
        self._trials = [_make_trial(compute_type, *shape) for shape in _SHAPES]

    def measure(self) -> float:
        """Floating-point operations a second of the fastest shape."""
        return max(_rate(run, flops) for run, flops in self._trials)


def _make_trial(compute_type: str, batch: int, side: int, channels: int) -> tuple[Any, int]:
    import tensorflow as tf

    kernel = tf.random.normal((3, 3, channels, channels), stddev=(9 * channels) ** -0.5)
    kernel = tf.cast(kernel, compute_type)
    images = tf.cast(tf.random.normal((batch, side, side, channels)), compute_type)

    @tf.function(autograph=False)
    def convolve(images: tf.Tensor, times: tf.Tensor) -> tf.Tensor:
        def once(number: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return number + 1, tf.nn.conv2d(images, kernel, 1, "SAME")

        start = (tf.constant(0), images)
        images = tf.while_loop(lambda number, _: number < times, once, start, parallel_iterations=1)[1]
        return images[0, 0, 0, 0]

    def run(times: int) -> float:
        started = time.perf_counter()
        convolve(images, tf.constant(times)).numpy()
        return time.perf_counter() - started

    run(1)
    return run, 2 * 9 * channels**2 * batch * side**2


def _rate(run: Any, flops: int) -> float:
    times = max(2, round(_SECONDS_PER_SHAPE / run(1)))
    return times * flops / run(times)


if __name__ == "__main__":
    serve(ConvolutionPeak)
