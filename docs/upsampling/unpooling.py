"""Figure: max pooling with switches, unpooling by them, and unpooling to a fixed place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from docs.upsampling.board import BLUE, GRAY, GREEN, INK, ORANGE, PALE, PINK, Board

IMAGE = np.array([[3, 1, 2, 4], [7, 5, 6, 8], [9, 2, 1, 6], [0, 4, 6, 3]])
_WINDOWS = np.array([[BLUE, ORANGE], [GREEN, PINK]], object)


def numbers() -> dict[str, Any]:
    """The example; each window's first maximum in row-major order is its switch, ties included."""
    windows = IMAGE.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(2, 2, 4)
    switches, pooled = windows.argmax(-1), windows.max(-1)
    unpooled, fixed = np.zeros((4, 4), int), np.zeros((4, 4), int)
    fixed[::2, ::2] = pooled
    for i, j in np.ndindex(2, 2):
        unpooled[2 * i + switches[i, j] // 2, 2 * j + switches[i, j] % 2] = pooled[i, j]
    return {"image": IMAGE, "pooled": pooled, "switches": switches, "unpooled": unpooled, "fixed": fixed}


def draw(found: Mapping[str, Any]) -> Board:
    """Draw the image, what is kept of it, and both ways back."""
    board = Board(21.2, 6.4)
    board.grid(IMAGE, 0.5, 1.2, "image", _by_window())
    board.arrow((4.7, 3.2), (5.8, 3.2))
    board.grid(found["pooled"], 6.2, 1.2, "maxima", _WINDOWS)
    board.grid(found["switches"], 6.2, 4.2, "switches", _WINDOWS)
    board.arrow((8.5, 3.2), (9.8, 3.2))
    for left, name, title in [(10.2, "unpooled", "unpooled by switches"), (16.3, "fixed", "unpooled to the top-left")]:
        stands = np.asarray(found[name]) > 0
        fills = np.where(stands, _by_window(), PALE)
        board.grid(found[name], left, 1.2, title, fills, inks=np.where(stands, INK, GRAY))
        board.write("needs values and switches" if name == "unpooled" else "needs values alone", left + 2, 5.7, 0.32)
    board.write("4 x 4", 2.5, 5.7, 0.32)
    return board


def _by_window() -> np.ndarray:
    """Each pixel in the colour of its window."""
    return _WINDOWS.repeat(2, axis=0).repeat(2, axis=1)
