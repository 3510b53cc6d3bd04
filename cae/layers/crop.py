"""From windows back to the exact size: what the layers share about factors, target sizes and cropping.

Pooling with SAME padding turns `n` pixels into `ceil(n / factor)` windows. The windows cover `factor * ceil(n
/ factor)` pixels, `total` more than there are; `total // 2` of these lie before the first pixel, the rest
after the last. Cutting the same amounts off restores the size and puts every window back over its own pixels.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

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
