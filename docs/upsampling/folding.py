"""Figure: nearest resize and a 3x3 convolution are a transposed convolution with a 4x4 kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from docs.upsampling.board import BLUE, ORANGE, PALE, WHITE, Board

NAMES = np.array([list("abc"), list("def"), list("ghi")])


def numbers() -> dict[str, Any]:
    """Which taps of the 3x3 kernel each tap of the 4x4 kernel is the sum of: S[m] = sum of K[m - d], d in {0,1}^2."""
    sums = [["" for _ in range(4)] for _ in range(4)]
    for y, x in np.ndindex(4, 4):
        terms = [NAMES[y - i, x - j] for i, j in np.ndindex(2, 2) if 0 <= y - i < 3 and 0 <= x - j < 3]
        sums[y][x] = "+".join(sorted(terms))
    flipped = [row[::-1] for row in sums[::-1]]
    return {"kernel": NAMES, "sums": sums, "transposed": flipped}


def draw(found: Mapping[str, Any]) -> Board:
    """Draw the kernel, its four shifted copies, their sum and the sum flipped."""
    board = Board(28.4, 8.6, cell=50)
    board.grid(found["kernel"], 0.5, 2.9, "K, 3 x 3", BLUE)
    board.arrow((3.7, 4.4), (4.7, 4.4))
    board.write("shift by d", 7.6, 0.7)
    for i, j in np.ndindex(2, 2):
        texts, fills = np.full((4, 4), "", object), np.full((4, 4), PALE, object)
        texts[i : i + 3, j : j + 3], fills[i : i + 3, j : j + 3] = NAMES, BLUE
        left, top = 5.0 + j * 3.1, 1.5 + i * 3.3
        board.grid(texts, left, top, "", fills, size=0.65)
        board.write(f"d = ({i}, {j})", left + 1.3, top + 2.85, 0.28)
    board.arrow((11.0, 4.4), (12.6, 4.4))
    board.write("add", 11.75, 3.9)
    colors = {1: WHITE, 2: BLUE, 4: ORANGE}
    for left, name, title in [(13.0, "sums", "S, 4 x 4"), (21.6, "transposed", "kernel of the transposed convolution")]:
        kinds = [[colors[text.count("+") + 1] for text in row] for row in found[name]]
        lines = [[_two_lines(text) for text in row] for row in found[name]]
        board.grid(lines, left, 1.4, title, kinds, size=1.5)
    board.arrow((19.3, 4.4), (21.3, 4.4))
    board.write("flip", 20.25, 3.9)
    board.write("white: 1 tap    blue: sum of 2    orange: sum of 4", 20.3, 8.0, 0.32)
    return board


def _two_lines(text: str) -> str:
    return text if text.count("+") < 3 else text[:4] + "\n" + text[4:]
