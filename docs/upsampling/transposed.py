"""Animation and strip: a transposed convolution as zero-insertion, padding and convolution with the flipped kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from docs.upsampling.board import BLUE, GRAY, GREEN, INK, ORANGE, PALE, WHITE, Board, as_json

STRIDES = 2
# None is zero, so that zeros are what was put in.
VALUES = np.array([[2, 1, 3], [1, 4, 2], [3, 2, 1]])
KERNEL = np.array([[1, 0, 2, 1], [0, 3, 1, 0], [2, 1, 1, 0], [0, 1, 0, 2]])

_STEP, _LONG = 160, 1500  # milliseconds
_FRAME = "#c04a00"


def numbers() -> dict[str, Any]:
    """What stands in the squares; `window` is what the padded grid is multiplied with at each place."""
    size, kernel = len(VALUES), len(KERNEL)
    inserted = np.zeros((STRIDES * (size - 1) + 1,) * 2, int)
    inserted[::STRIDES, ::STRIDES] = VALUES
    # The SAME convolution on the large side pads before by `kernel - strides` rounded down; what is missing to
    # `kernel - 1` is padded here.
    before = kernel - 1 - (kernel - STRIDES) // 2
    after = STRIDES * size + kernel - 1 - len(inserted) - before
    padded = np.pad(inserted, (before, after))
    window = KERNEL[::-1, ::-1]
    places = np.lib.stride_tricks.sliding_window_view(padded, window.shape)
    return {
        "values": VALUES,
        "kernel": KERNEL,
        "inserted": inserted,
        "padded": padded,
        "window": window,
        "outputs": np.einsum("ijab,ab->ij", places, window),
    }


def draw(found: Mapping[str, Any]) -> Board:
    """Draw the steps beside each other, for paper."""
    board = Board(29.6, 11.4, cell=44)
    values, inserted, padded, window, outputs = (
        np.asarray(found[name]) for name in ("values", "inserted", "padded", "window", "outputs")
    )
    board.grid(values, 0.4, 4.2, "1  values", BLUE)
    board.arrow((3.6, 5.7), (4.4, 5.7))
    board.grid(inserted, 4.7, 3.2, "2  zeros between", _fill(inserted), inks=_ink(inserted))
    board.arrow((9.9, 5.7), (10.7, 5.7))
    board.grid(padded, 11.0, 1.2, "3  zeros around", _fill(padded), inks=_ink(padded))
    row, column = 2, 3
    board.outline(11.0 + column, 1.2 + row, len(window), len(window), ink=_FRAME)
    board.arrow((20.2, 5.7), (22.8, 5.7))
    board.grid(window, 20.4, 8.2, "", ORANGE, size=0.6)
    board.write("flipped kernel", 21.6, 7.75, 0.34)
    board.write("4  convolve", 21.5, 5.1, 0.36)
    board.grid(outputs, 23.2, 2.7, "5  output", GREEN)
    board.outline(23.2 + column, 2.7 + row, 1, 1, ink=_FRAME)
    return board


@dataclass(frozen=True)
class Scene:
    """One frame of the animation.

    Args:
        title: What happens.
        grid: What stands to the left.
        known: How many of the outputs are there, in row-major order; the last of them is framed.
        duration: Milliseconds.
    """

    title: str
    grid: np.ndarray
    known: int
    duration: int


def scenes(found: Mapping[str, Any]) -> list[Scene]:
    """The frames in order: the three steps before the convolution, then each of its outputs."""
    steps = [("values", "1  values"), ("inserted", "2  zeros between them"), ("padded", "3  zeros around them")]
    before = [Scene(title, np.asarray(found[name]), 0, _LONG) for name, title in steps]
    padded, count = np.asarray(found["padded"]), np.size(found["outputs"])
    durations = [_STEP] * (count - 1) + [2 * _LONG]
    title = "4  convolve with the flipped kernel"
    return before + [Scene(title, padded, known, time) for known, time in enumerate(durations, start=1)]


def draw_scene(found: Mapping[str, Any], scene: Scene) -> Board:
    """Draw the grid to the left, the kernel in the middle, the output to the right."""
    board = Board(22.6, 11, cell=30)
    board.write(scene.title, 0.5, 0.6, 0.55, align="left")
    grid, window, outputs = scene.grid, np.asarray(found["window"]), np.asarray(found["outputs"])
    middle, left = 6.2, 15.8
    corner = (5.0 - grid.shape[1] / 2, middle - grid.shape[0] / 2)
    fills, inks = _fill(grid), _ink(grid)
    is_known = np.arange(outputs.size).reshape(outputs.shape) < scene.known
    row, column = divmod(scene.known - 1, outputs.shape[1])
    if scene.known:
        inside = (slice(row, row + len(window)), slice(column, column + len(window)))
        fills[inside] = np.where(grid[inside] > 0, BLUE, ORANGE)
        inks[inside] = INK
    board.grid(grid, *corner, fills=fills, inks=inks)
    board.grid(window, 10.6, middle - 2, "flipped kernel", ORANGE)
    texts = np.where(is_known, outputs.astype(str), "")
    board.grid(texts, left, middle - 3, "output", np.where(is_known, GREEN, WHITE))
    if scene.known:
        board.outline(corner[0] + column, corner[1] + row, len(window), len(window), ink=_FRAME)
        board.outline(left + column, middle - 3 + row, 1, 1, ink=_FRAME)
    return board


def save_animation(path: Path, found: Mapping[str, Any]) -> None:
    """Write the steps as an animated GIF that carries its numbers."""
    played = scenes(found)
    images = [draw_scene(found, scene).image() for scene in played]
    # One palette for all frames, so that what stands still is stored once.
    palette = images[-1].quantize(32, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [scene.duration for scene in played]
    comment = as_json(found).encode()
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, comment=comment)


def _fill(grid: np.ndarray) -> np.ndarray:
    return np.where(grid > 0, BLUE, PALE)


def _ink(grid: np.ndarray) -> np.ndarray:
    return np.where(grid > 0, INK, GRAY)
