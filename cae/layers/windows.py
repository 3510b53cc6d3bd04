"""Windows of pixels, compiled kernels that work on them, and from windows back to the exact size."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.layers.gradients import custom_gradient


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


def neighbours(padded: tf.Tensor, side: int) -> tf.Tensor:
    """Return the neighbourhood of each place, `side` by `side` pixels in row-major order.

    Args:
        padded: (batch, height + side - 1, width + side - 1, channels).
        side: of the neighbourhoods.

    Returns:
        (batch, height, width, side^2, channels).
    """
    height, width = (length - side + 1 for length in keras.ops.shape(padded)[1:3])

    @custom_gradient
    def take(padded: tf.Tensor) -> Any:
        def gradient(above: tf.Tensor) -> tf.Tensor:
            return compiled(_put_back, above.shape, side=side)(above)

        return tf.stack([padded[:, a : a + height, b : b + width] for a, b in np.ndindex(side, side)], axis=3), gradient

    return take(padded)


def _put_back(above: tf.Tensor, side: int) -> tf.Tensor:
    """The gradient of `neighbours`: each pixel's sum over the neighbourhoods that it is in."""
    more = side - 1
    places = zip(tf.unstack(wide(above), axis=3), np.ndindex(side, side), strict=True)
    parts = [tf.pad(part, [(0, 0), (a, more - a), (b, more - b), (0, 0)]) for part, (a, b) in places]
    return tf.cast(tf.add_n(parts), above.dtype)


def wide(tensor: tf.Tensor) -> tf.Tensor:
    """Return 16-bit floats as float32, in which kernels are twice as fast and sums exacter; others as they are."""
    return tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor


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
        functools.partial(kernel, **dict(options)), jit_compile=True, autograph=False, reduce_retracing=True
    )


Size = tuple[int, int]


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` as an `int`, or say what the argument `name` must be."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"`{name}` must be a whole number {allowed}. Received: {name}={value!r}.")
    return number


def height_and_width(output_size: Any) -> Size | None:
    """Return `output_size` as a pair of positive integers, or None when it is None."""
    if output_size is None:
        return None
    if not isinstance(output_size, list | tuple) or len(output_size) != 2:
        raise ValueError(
            f"`output_size` must be None or a pair (height, width). Received: output_size={output_size!r}."
        )
    height, width = (whole_number("output_size", side, least=1) for side in output_size)
    return height, width


def restored_size(
    size: tuple[int | None, int | None], factors: Size, output_size: Size | None
) -> tuple[int | None, int | None]:
    """Return the height and width after `size` was enlarged by `factors` and cropped to `output_size`."""
    if output_size is None:
        height, width = (n if n is None else n * factor for n, factor in zip(size, factors, strict=True))
        return height, width
    for n, factor, target in zip(size, factors, output_size, strict=True):
        if isinstance(n, int) and -(-target // factor) != n:  # otherwise unknown until the graph runs
            raise ValueError(
                "`output_size` divided by the factor and rounded up must give the input's size. "
                f"Received: output_size={output_size}, factors {factors}, input size {tuple(size)}."
            )
    return output_size


def channels_after_opening(input_shape: tuple[int | None, ...], factor: int) -> int:
    """Return the channels that remain when `factor^2` of them become one."""
    channels = input_shape[-1]
    if channels is None or channels % factor**2:
        raise ValueError(
            f"The input's channels must be a multiple of factor^2 = {factor**2}. "
            f"Received: input_shape={tuple(input_shape)}."
        )
    return channels // factor**2


def crop(grid: tf.Tensor, output_size: Size | None) -> tf.Tensor:
    """Cut `grid` to `output_size`, half of what is too much (rounded down) from the top and left."""
    if output_size is None:
        return grid
    totals = [size - target for size, target in zip(keras.ops.shape(grid)[1:3], output_size, strict=True)]
    if _are_zero(totals):
        return grid
    top, left = (total // 2 for total in totals)
    return grid[:, top : top + output_size[0], left : left + output_size[1]]


def pad_to_windows(grid: tf.Tensor, factor: int) -> tf.Tensor:
    """Fill up incomplete windows with zeros: the reverse of `crop`."""
    totals = [-(-size // factor) * factor - size for size in keras.ops.shape(grid)[1:3]]
    if _are_zero(totals):
        return grid
    rows, columns = ((total // 2, total - total // 2) for total in totals)
    return tf.pad(grid, [(0, 0), rows, columns, (0, 0)])


def _are_zero(totals: Sequence[Any]) -> bool:
    """Whether nothing is too much; where a size is unknown until the graph runs, that is not known either."""
    return all(isinstance(total, int) and total == 0 for total in totals)
