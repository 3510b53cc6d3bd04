"""Figure: several feature maps become one picture; each value paints its map's kernel, and all is added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from docs.upsampling.board import BLUE, GRAY, INK, ORANGE, PALE, PINK, Board

STRIDES = 2
MAPS = np.array([[[2, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 0, 1], [0, 0, 0], [3, 0, 0]]])
KERNELS = np.array(
    [
        [[0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0]],  # an upright stroke
        [[0, 0, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]],  # a level one
    ]
)


def numbers() -> dict[str, Any]:
    """Each map's painting, cut to the size that SAME gives, and their sum."""
    side = STRIDES * MAPS.shape[1]
    painted = np.zeros((len(MAPS), side + STRIDES, side + STRIDES), int)
    for number, row, column in zip(*np.nonzero(MAPS), strict=True):
        top, left = STRIDES * row, STRIDES * column
        painted[number, top : top + 4, left : left + 4] += MAPS[number, row, column] * KERNELS[number]
    painted = painted[:, 1:-1, 1:-1]
    return {"maps": MAPS, "kernels": KERNELS, "painted": painted, "sum": painted.sum(0)}


def draw(found: Mapping[str, Any]) -> Board:
    """Draw a row for each map, and the sum to the right."""
    board = Board(25.2, 15.4, cell=48)
    maps, kernels, painted = (np.asarray(found[name]) for name in ("maps", "kernels", "painted"))
    for number, (top, color) in enumerate([(1.2, BLUE), (8.6, ORANGE)]):
        board.grid(
            maps[number], 0.5, top + 1.5, f"map {number + 1}", _fill(maps[number], color), inks=_ink(maps[number])
        )
        board.write("x", 4.0, top + 3, 0.5)
        board.grid(kernels[number], 4.5, top + 1, f"kernel {number + 1}", _fill(kernels[number], color))
        board.arrow((8.8, top + 3), (9.8, top + 3))
        fills = _fill(painted[number], color)
        board.grid(painted[number], 10.1, top, f"painted by map {number + 1}", fills, inks=_ink(painted[number]))
        board.arrow((16.4, top + 3), (18.2, 7.2 if number == 0 else 8.4))
    both = (painted > 0).all(axis=0)
    fills = np.where(both, PINK, np.where(painted[0] > 0, BLUE, np.where(painted[1] > 0, ORANGE, PALE)))
    board.grid(found["sum"], 18.6, 4.8, "sum over the maps", fills, inks=_ink(np.asarray(found["sum"])))
    return board


def _fill(values: np.ndarray, color: str) -> np.ndarray:
    return np.where(values > 0, color, PALE)


def _ink(values: np.ndarray) -> np.ndarray:
    return np.where(values > 0, INK, GRAY)
