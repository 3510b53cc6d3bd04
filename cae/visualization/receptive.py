"""Exactly which pixels a value of a feature map sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cae.plan.convolutions import Convolution, Residual
from cae.plan.operations import Dense, Operation, Pool


@dataclass(frozen=True)
class Span:
    """What a value sees along one side of the image, in pixels.

    Args:
        first: the first pixel.
        last: the last pixel.
        before: how many pixels of its whole field lie before the image's border.
        side: length of the whole field, or of the image where that is shorter.
    """

    first: int
    last: int
    before: int
    side: int


def receptive_field(path: Sequence[Operation], row: int, column: int) -> tuple[Span, Span]:
    """Find the rows and the columns of the image that a value depends on.

    Padding `same` puts half of what is missing, rounded down, before the first pixel, so fields are followed back
    operation by operation, and clipped to the picture at each. Behind a dense layer it is the whole image. Where
    strides are longer than a kernel, pixels between those that are seen are counted in. The statistics of group
    normalisation, which come from the whole image, are not followed; neither does the plan.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> plan = make_plan(ModelSection(), (28, 28, 1))
        >>> receptive_field(plan.encoder[:3], 0, 5)  # a convolution, its activation, a pooling
        (Span(first=0, last=2, before=1, side=4), Span(first=9, last=12, before=0, side=4))

    Args:
        path: operations from the image to the feature map.
        row: of the value in its map, from 0.
        column: of the value in its map, from 0.
    """
    return _span(path, 0, row), _span(path, 1, column)


def crop_to_field(image: np.ndarray, field: tuple[Span, Span], outside: Sequence[float]) -> np.ndarray:
    """Cut a field out of an image; what of it lies beyond the border has the colour `outside`.

    All crops of one layer have one size, so that the places of a pattern can be compared.

    Args:
        image: shape (height, width, channels).
        field: from `receptive_field`.
        outside: one value for each channel.
    """
    rows, columns = field
    crop = np.empty((rows.side, columns.side, image.shape[2]), image.dtype)
    crop[:] = outside
    inside = image[rows.first : rows.last + 1, columns.first : columns.last + 1]
    crop[rows.before : rows.before + inside.shape[0], columns.before : columns.before + inside.shape[1]] = inside
    return crop


def _span(path: Sequence[Operation], axis: int, position: int) -> Span:
    first = last = position
    start = end = position  # the same without borders
    for operation in reversed(path):
        length = operation.input_shape[axis]
        start, end = _back(operation, axis, start, end)
        first, last = _back(operation, axis, first, last)
        first, last = max(first, 0), min(last, length - 1)
    if end - start + 1 > length:
        return Span(first, last, first, length)
    return Span(first, last, first - start, end - start + 1)


def _back(operation: Operation, axis: int, first: int, last: int) -> tuple[int, int]:
    """From the values that are needed of an operation's output to those of its input."""
    if isinstance(operation, Convolution):
        return _window(operation, axis, operation.kernel_size, operation.strides, first, last)
    if isinstance(operation, Pool):
        return _window(operation, axis, operation.pool_size, operation.pool_size, first, last)
    if isinstance(operation, Residual):
        # The skip sees no more than what it goes round.
        for inside in reversed(operation.operations):
            first, last = _back(inside, axis, first, last)
        return first, last
    if isinstance(operation, Dense):
        return 0, operation.input_shape[axis] - 1
    return first, last


def _window(operation: Operation, axis: int, size: int, step: int, first: int, last: int) -> tuple[int, int]:
    length, windows = operation.input_shape[axis], operation.output_shape[axis]
    before = max((windows - 1) * step + size - length, 0) // 2
    return first * step - before, last * step - before + size - 1
