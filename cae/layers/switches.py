"""Max pooling that records switches, unpooling by switches, and gathering at switches.

A switch is the row-major position of a window's first maximum within that window, so it means the same in
every image, in every channel and at every size. Unpooling and gathering are each other's transpose, hence
each other's gradient; the gradient of pooling is unpooling.

The three kernels are compiled by XLA, wherever they are called from.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import Size, crop, pad_to_windows
from cae.layers.windows import cells, compiled


def max_pool(inputs: tf.Tensor, pool_size: int, rectify: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
    """Return each window's maximum and its switch, both (batch, ceil(height / pool_size), ..., channels).

    With `rectify`, those of the rectified inputs.
    """
    size = keras.ops.shape(inputs)[1:3]

    @tf.custom_gradient
    def pool(inputs: tf.Tensor) -> Any:
        pooled, switches = compiled(_max_pool, inputs.shape, pool_size=pool_size, rectify=rectify)(inputs)

        def gradient(pooled_gradient: tf.Tensor, _: Any) -> tf.Tensor:
            if rectify:
                pooled_gradient = tf.raw_ops.ReluGrad(gradients=pooled_gradient, features=pooled)
            return unpool(pooled_gradient, switches, pool_size, size)

        return (pooled, switches), gradient

    return pool(inputs)


def unpool(values: tf.Tensor, switches: tf.Tensor, pool_size: int, output_size: Size | None) -> tf.Tensor:
    """Return zeros but for each value, which stands in its window where its switch says."""

    @tf.custom_gradient
    def place(values: tf.Tensor) -> Any:
        windows = compiled(_unpool, values.shape, pool_size=pool_size)(values, switches)

        def gradient(grid_gradient: tf.Tensor) -> tf.Tensor:
            return gather(grid_gradient, switches, pool_size)

        return crop(windows, output_size), gradient

    return place(values)


def gather(grid: tf.Tensor, switches: tf.Tensor, pool_size: int) -> tf.Tensor:
    """Return what stands in each window where its switch says."""
    size = keras.ops.shape(grid)[1:3]

    @tf.custom_gradient
    def pick(grid: tf.Tensor) -> Any:
        values = compiled(_gather, grid.shape, pool_size=pool_size)(grid, switches)

        def gradient(values_gradient: tf.Tensor) -> tf.Tensor:
            return unpool(values_gradient, switches, pool_size, size)

        return values, gradient

    return pick(grid)


def _max_pool(inputs: tf.Tensor, pool_size: int, rectify: bool) -> tuple[tf.Tensor, tf.Tensor]:
    height, width = keras.ops.shape(inputs)[1:3]
    # Comparing 16-bit floats as float32 changes nothing and is twice as fast.
    comparable = tf.cast(inputs, tf.float32) if inputs.dtype.size < 4 else inputs
    if rectify:
        comparable = tf.nn.relu(comparable)
    # Padding is marked, not made -inf: it must not win even a window whose pixels all are -inf.
    candidates = cells(pad_to_windows(comparable, pool_size), pool_size)
    real = [cell > 0 for cell in cells(pad_to_windows(tf.ones((1, height, width, 1)), pool_size), pool_size)]
    maximum, seen = candidates[0], real[0]  # [N, H/P, W/P, C] and [1, H/P, W/P, 1]
    switches = tf.zeros_like(maximum, tf.int32)  # LiteRT selects among int32, not among bytes
    for position in range(1, pool_size**2):
        # "Not at most" is also true of a NaN; once the maximum is NaN, it stays.
        greater = ~(candidates[position] <= maximum) & (maximum == maximum)
        wins = real[position] & (greater | ~seen)
        maximum = tf.where(wins, candidates[position], maximum)
        switches = tf.where(wins, position, switches)
        seen |= real[position]
    return tf.cast(maximum, inputs.dtype), tf.cast(switches, tf.uint8)


def _unpool(values: tf.Tensor, switches: tf.Tensor, pool_size: int) -> tf.Tensor:
    batch, height, width, channels = keras.ops.shape(values)
    one_a_window = (batch * height, 1, width, 1, channels)
    positions = tf.reshape(tf.range(pool_size**2), (1, pool_size, 1, pool_size, 1))
    windows = tf.where(  # [N * H, P, W, P, C]
        tf.reshape(tf.cast(switches, tf.int32), one_a_window) == positions,
        tf.reshape(values, one_a_window),
        tf.zeros((), values.dtype),
    )
    return tf.reshape(windows, (batch, height * pool_size, width * pool_size, channels))


def _gather(grid: tf.Tensor, switches: tf.Tensor, pool_size: int) -> tf.Tensor:
    values = tf.zeros(keras.ops.shape(switches), grid.dtype)
    for position, cell in enumerate(cells(pad_to_windows(grid, pool_size), pool_size)):
        values = tf.where(switches == position, cell, values)
    return values
