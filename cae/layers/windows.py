"""Windows of pixels, and compiled kernels that work on them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def cells(grid: tf.Tensor, side: int) -> list[tf.Tensor]:
    """Return the first cell of every window, the second of every window and so on, in row-major order.

    Args:
        grid: (batch, height, width, channels), made of whole windows of `side` by `side` pixels.
        side: of the windows.

    Returns:
        `side`^2 tensors of shape (batch, height / side, width / side, channels).
    """
    batch, height, width, channels = keras.ops.shape(grid)
    windows = tf.reshape(grid, (batch, height // side, side, width // side, side, channels))
    return [cell for row in tf.unstack(windows, axis=2) for cell in tf.unstack(row, axis=3)]


def fill_windows(values: tf.Tensor, side: int) -> tf.Tensor:
    """Return windows of `side` by `side` pixels that all hold one value.

    Args:
        values: (batch, height, width, channels), one for each window.
        side: of the windows.

    Returns:
        (batch, side * height, side * width, channels).
    """
    batch, height, width, channels = keras.ops.shape(values)
    windows = tf.broadcast_to(values[:, :, None, :, None], (batch, height, side, width, side, channels))
    return tf.reshape(windows, (batch, height * side, width * side, channels))


def compiled(kernel: Callable[..., Any], shape: tf.TensorShape, /, **options: Any) -> Callable[..., Any]:
    """Return a kernel compiled by XLA, wherever it is called from.

    As single TensorFlow operations each comparison and each sum would travel through memory by itself, which takes up
    to ten times as long. A converter that cannot read nested functions gets them inline under
    `tf.config.run_functions_eagerly(True)`.

    Args:
        kernel: of tensors, and of the options by name.
        shape: of its first tensor. For images of each shape there is a function of its own, so that only batch sizes
            vary.
        **options: what the kernel is compiled for, hashable.
    """
    return _compiled_for(kernel, tuple(shape[1:]), tuple(options.items()))


@functools.lru_cache(maxsize=256)
def _compiled_for(
    kernel: Callable[..., Any], image_shape: tuple[int | None, ...], options: tuple[tuple[str, Any], ...]
) -> Any:
    del image_shape
    return tf.function(
        functools.partial(kernel, **dict(options)),
        jit_compile=True,
        autograph=False,
        reduce_retracing=True,
    )
