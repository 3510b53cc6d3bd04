"""Figure: how often each output pixel is painted, and what a constant input becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from docs.upsampling.board import BLUE, GREEN, ORANGE, PALE, Board

STRIDES, SIZE = 2, 4
BILINEAR = np.outer([0.5, 1, 0.5], [0.5, 1, 0.5])
UNLIKE = np.outer([0.5, 1.0, 0.5, 0.5], [0.5, 1.0, 0.5, 0.5])

_PANELS = (
    ("ones_3", "3 x 3, equal taps", "painted 1, 2, 2 or 4 times"),
    ("ones_4", "4 x 4, equal taps", "painted 4 times each"),
    ("bilinear_3", "3 x 3, bilinear taps", "even: taps make up for it"),
    ("unlike_4", "4 x 4, unlike taps", "uneven: the taps' own doing"),
)


def numbers() -> dict[str, Any]:
    """What a constant input of ones becomes by stride-2 transposed convolutions, borders cut as SAME cuts them."""
    kernels = {
        "ones_3": np.ones((3, 3)),
        "ones_4": np.ones((4, 4)),
        "bilinear_3": BILINEAR,
        "unlike_4": UNLIKE,
    }
    return {name: _paint_ones(kernel) for name, kernel in kernels.items()}


def _paint_ones(kernel: np.ndarray) -> np.ndarray:
    size = len(kernel)
    canvas = np.zeros((STRIDES * (SIZE - 1) + max(size, STRIDES + 1),) * 2)
    for i, j in np.ndindex(SIZE, SIZE):
        top, left = STRIDES * i, STRIDES * j
        canvas[top : top + size, left : left + size] += kernel
    before = (size - STRIDES) // 2
    return canvas[before : before + STRIDES * SIZE, before : before + STRIDES * SIZE]


def draw(found: Mapping[str, Any]) -> Board:
    """Draw the four outputs; the frame holds what no border touches."""
    board = Board(36.0, 11.0, cell=36)
    for number, (name, title, below) in enumerate(_PANELS):
        left, values = 0.6 + number * 8.9, np.asarray(found[name])
        inside = np.unique(values[2:6, 2:6])
        ranks = dict(zip(inside, [PALE, BLUE, ORANGE] if len(inside) == 3 else [GREEN], strict=False))
        fills = [[ranks.get(value, "#ffffff") for value in row] for row in values]
        board.grid(values, left, 1.4, "", fills)
        board.write(title, left + 4, 0.7, 0.5)
        board.outline(left + 2, 3.4, 4, 4)
        board.write(below, left + 4, 10.1, 0.46)
    return board
