"""Bilinear resizing and convolution as a folded convolution with a blur behind it.

Resizing bilinearly is repeating each pixel and blurring: averaging over `factor` pixels, for an even factor over half a
pixel more on either side with weights of one half. Inside the picture blur and convolution can change places, so that
the convolution works on repeated pixels, which it can be folded with (see `ResizeConv2D`), and the blur on its fewer
output channels.

At the border they cannot. A blur of repeated pixels, with zeros around them, differs from the resized picture in a
frame: within it, it lacks what the border's pixels, repeated beyond the border, would give; outside, where the
convolution must find zeros, it is not zero. The difference in each line of the frame is a multiple of the resized
border, so that its convolution is one along that border.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.layers.interpolation import KERNELS, interpolation_matrix
from cae.layers.origin import Computed, remember
from cae.layers.windows import compiled


def convolve_bilinear(inputs: tf.Tensor, kernel: tf.Tensor, folded_kernel: tf.Tensor, factor: int) -> tf.Tensor:
    """Resize bilinearly by `factor`, then convolve with SAME padding and strides of 1.

    Args:
        inputs: (batch, height, width, channels), height and width known.
        kernel: (side, side, channels, filters); `side` is odd.
        folded_kernel: of the transposed convolution that repeats pixels and convolves with `kernel` (see
            `cae.layers.resize_conv.fold_kernel`).
        factor: how many times higher and wider, at least 2.

    Returns:
        (batch, factor * height, factor * width, filters).
    """
    batch, height, width, _ = keras.ops.shape(inputs)
    side, filters = kernel.shape[0], kernel.shape[3]
    tall, wide = factor * height, factor * width
    shape = (batch, tall + side - 1, wide + side - 1, filters)
    sharp = tf.nn.conv2d_transpose(inputs, folded_kernel, shape, factor, padding="VALID")
    top, bottom, left, right = _outlines(inputs)
    # Rows cross the columns' frame, and must find the resized picture there; columns find it blurred and no more.
    row_matrix = _line_matrix(width, side // 2, factor, resized=True)
    column_matrix = _line_matrix(height, side // 2, factor, resized=False)
    tilted = tf.transpose(kernel, (1, 0, 2, 3))
    weights = _frame_weights(side, factor)
    rows, columns = weights[:tall], weights[:wide]
    frame = [
        _convolve_line(line, matrix, upright, lines)
        for line, matrix, upright, lines in (
            (top, row_matrix, kernel, rows),
            (bottom, row_matrix, kernel, rows[::-1, ::-1]),  # the far side is the near one mirrored
            (left, column_matrix, tilted, columns),
            (right, column_matrix, tilted, columns[::-1, ::-1]),
        )
    ]
    return _blur(sharp, frame, factor)


def _outlines(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """The first and last row and column, (batch, length, channels) each."""
    _, height, width, _ = keras.ops.shape(inputs)

    @tf.custom_gradient
    def outlines(inputs: tf.Tensor) -> Any:
        def gradient(*above: tf.Tensor) -> tf.Tensor:
            return compiled(_back_in_place, above[0].shape, height=height, width=width)(*above)

        return (inputs[:, 0], inputs[:, -1], inputs[:, :, 0], inputs[:, :, -1]), gradient

    return outlines(inputs)


def _back_in_place(
    top: tf.Tensor, bottom: tf.Tensor, left: tf.Tensor, right: tf.Tensor, height: int, width: int
) -> tf.Tensor:
    rows = _padded_into_place(top[:, None], 0, height, 1) + _padded_into_place(bottom[:, None], height - 1, height, 1)
    return (
        rows
        + _padded_into_place(left[:, :, None], 0, width, 2)
        + _padded_into_place(right[:, :, None], width - 1, width, 2)
    )


def _padded_into_place(part: tf.Tensor, start: int, size: int, axis: int) -> tf.Tensor:
    """Zeros of `size` along the axis, but for the part that starts at `start`."""
    padding = [(0, 0)] * 4
    padding[axis] = (start, size - start - int(part.shape[axis]))
    return tf.pad(part, padding)


@functools.lru_cache(maxsize=256)
def _line_matrix(size: int, reach: int, factor: int, resized: bool) -> np.ndarray:
    """Enlarges a line, with `reach` pixels more on either side: zeros if `resized`, else what the blur makes there."""
    if resized:
        return np.pad(interpolation_matrix("bilinear", factor, size, factor * size), [(reach, reach), (0, 0)])
    centres = (np.arange(-reach, factor * size + reach) + 0.5) / factor - 0.5
    return KERNELS["bilinear"](np.abs(centres[:, None] - np.arange(size)))


def _convolve_line(line: tf.Tensor, matrix: np.ndarray, kernel: tf.Tensor, weights: np.ndarray) -> tf.Tensor:
    """Enlarge a line and convolve it with sums of the kernel's rows.

    Args:
        line: (batch, pixels, channels).
        matrix: (side - 1 more than the length, pixels).
        kernel: (side, side, channels, filters), its second axis along the line.
        weights: (lines, side).

    Returns:
        (batch, length, lines, filters).
    """
    side, _, channels, filters = kernel.shape
    enlarged = tf.matmul(tf.constant(matrix, line.dtype), line)
    rows = tf.reshape(kernel, (side, side * channels * filters))
    mixed = tf.reshape(tf.matmul(tf.constant(weights, kernel.dtype), rows), (-1, side, channels, filters))
    mixed = tf.reshape(tf.transpose(mixed, (1, 2, 0, 3)), (1, side, channels, len(weights) * filters))
    convolved = tf.nn.conv2d(tf.expand_dims(enlarged, 1), mixed, 1, "VALID")
    return tf.reshape(convolved, (-1, keras.ops.shape(convolved)[2], len(weights), filters))


@functools.lru_cache(maxsize=64)
def _frame_weights(side: int, factor: int) -> np.ndarray:
    """How much of the border's line each row of taps must add to each line of the output, (lines, side)."""
    weights = blur_weights(factor)
    radius, reach = len(weights) // 2, side // 2
    # What the blur lacks in line i >= 0 comes from lines before 0; what it has in lines i < 0 comes from 0 onwards.
    lacking = {
        i: weights[: radius - i].sum() if i >= 0 else -weights[radius - i :].sum() for i in range(-radius, radius)
    }
    return np.array([[lacking.get(i + a, 0.0) for a in range(-reach, reach + 1)] for i in range(radius + reach)])


def blur_weights(factor: int) -> np.ndarray:
    """Of the blur that makes a nearest resize a bilinear one, along one axis.

    Example:
    >>> blur_weights(2).tolist(), blur_weights(4).tolist()
    ([0.25, 0.5, 0.25], [0.125, 0.25, 0.25, 0.25, 0.125])
    """
    if factor % 2:
        return np.full(factor, 1 / factor)
    return np.array([0.5, *[1.0] * (factor - 1), 0.5]) / factor


def _blur(sharp: tf.Tensor, frame: Sequence[tf.Tensor], factor: int) -> tf.Tensor:
    """Blur, and add a frame.

    Args:
        sharp: (batch, height, width, filters), larger than the output by what the kernel reaches over.
        frame: top and bottom, (batch, output width, lines, filters); left and right, (batch, output height, ...).
        factor: of the resize.

    Returns:
        (batch, output height, output width, filters).
    """
    weights = blur_weights(factor)
    radius = len(weights) // 2
    # So many pixels around the map would be looked at, too; they are zeros.
    missing = radius - (int(sharp.shape[2]) - int(frame[0].shape[1])) // 2

    options = {"factor": factor, "missing": missing}

    def gradient(above: tf.Tensor) -> tuple[tf.Tensor, ...]:
        taps = np.outer(weights, weights)[:, :, None, None]
        kernel = tf.constant(np.tile(taps, (1, 1, above.shape[3], 1)), above.dtype)
        around = 2 * radius - missing
        padding = [(0, 0), (around, around), (around, around), (0, 0)]
        of_sharp = tf.nn.depthwise_conv2d(above, kernel, (1, 1, 1, 1), padding)
        lines = tuple(part.shape[2] for part in frame)
        return of_sharp, *compiled(_take_frame, above.shape, lines=lines)(above)

    @tf.custom_gradient
    def blur(*inputs: tf.Tensor) -> Any:
        return compiled(_blur_and_frame, sharp.shape, **options)(*inputs), gradient

    inputs = (sharp, *frame)
    return remember(blur(*inputs), Computed(_blur_and_frame, inputs, options, gradient))


def _blur_and_frame(
    sharp: tf.Tensor, top: tf.Tensor, bottom: tf.Tensor, left: tf.Tensor, right: tf.Tensor, factor: int, missing: int
) -> tf.Tensor:
    height, width = int(left.shape[1]), int(top.shape[1])
    padded, start = sharp, -missing
    if missing > 0:
        padded, start = tf.pad(sharp, [(0, 0), (missing, missing), (missing, missing), (0, 0)]), 0
    taps = list(enumerate(blur_weights(factor), start))
    across = tf.add_n([padded[:, i : i + height] * weight for i, weight in taps])
    blurred = tf.add_n([across[:, :, i : i + width] * weight for i, weight in taps])
    top, bottom = (tf.transpose(part, (0, 2, 1, 3)) for part in (top, bottom))
    rows = _padded_into_place(top, 0, height, 1) + _padded_into_place(bottom, height - int(bottom.shape[1]), height, 1)
    return (
        blurred
        + rows
        + _padded_into_place(left, 0, width, 2)
        + _padded_into_place(right, width - int(right.shape[2]), width, 2)
    )


def _take_frame(grid: tf.Tensor, lines: tuple[int, ...]) -> tuple[tf.Tensor, ...]:
    top, bottom, left, right = lines
    rows = (tf.transpose(part, (0, 2, 1, 3)) for part in (grid[:, :top], grid[:, -bottom:]))
    return *rows, grid[:, :, :left], grid[:, :, -right:]
