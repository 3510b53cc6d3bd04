"""Many small pictures on one sheet, and the legend below them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cae.pictures.canvas import Canvas, line_height, text_width

WIDEST = 2000
_MARGIN = 8
_BAR_WIDTH, _BAR_HEIGHT = 128, 12
# As the canvas.
PAPER = (238, 238, 238)


def tile(
    pictures: Sequence[np.ndarray], columns: int, gap: int, background: tuple[int, int, int] = PAPER
) -> np.ndarray:
    """Put pictures of one size in rows.

    Example:
        >>> tile([np.zeros((4, 6, 3), np.uint8)] * 5, columns=3, gap=1).shape
        (9, 20, 3)

    Args:
        pictures: uint8, shape (height, width, 3); at least one.
        columns: pictures beside each other.
        gap: pixels between them.
        background: colour of what is between them.
    """
    height, width, _ = pictures[0].shape
    rows = math.ceil(len(pictures) / columns)
    columns = min(columns, len(pictures))
    sheet = blank(rows * (height + gap) - gap, columns * (width + gap) - gap, background)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = row * (height + gap), column * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def blank(height: int, width: int, color: tuple[int, int, int] = PAPER) -> np.ndarray:
    """A sheet of one colour: uint8, shape (height, width, 3)."""
    return np.full((height, width, 3), color, np.uint8)


def fit(picture: np.ndarray, side: int, most: int | None = None) -> np.ndarray:
    """Enlarge a small picture by a whole number to about `side` pixels; reduce one larger than `most`.

    Args:
        picture: uint8, shape (height, width, 3).
        side: the longer side that is wanted.
        most: the longest side that is allowed; None for any.
    """
    height, width, _ = picture.shape
    scale: float = max(1, side // max(height, width))
    if most is not None and max(height, width) > most:
        scale = most / max(height, width)
    if scale == 1:
        return picture
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, method))


def titled(title: str, picture: np.ndarray) -> np.ndarray:
    """A line of text above a picture, on a sheet with a margin."""
    height, width, _ = picture.shape
    canvas = Canvas(max(width, text_width(title)) + 2 * _MARGIN, height + line_height() + _MARGIN)
    canvas.write(title, _MARGIN, 0)
    canvas.paste(picture, _MARGIN, line_height())
    return canvas.pixels()


def scale_legend(before: str, bar: np.ndarray, after: str) -> np.ndarray:
    """A colour scale between two texts.

    Args:
        before: what the left end means.
        bar: colours from left to right, uint8 of shape (128, 3).
        after: what the right end means.
    """
    left = _MARGIN + text_width(before) + _MARGIN
    canvas = Canvas(left + _BAR_WIDTH + _MARGIN + text_width(after) + _MARGIN, line_height() + 2 * _MARGIN)
    canvas.write(before, _MARGIN, _MARGIN)
    canvas.paste(np.broadcast_to(bar, (_BAR_HEIGHT, _BAR_WIDTH, 3)), left, _MARGIN + 2)
    canvas.write(after, left + _BAR_WIDTH + _MARGIN, _MARGIN)
    return canvas.pixels()


def scale_steps(first: float, last: float) -> np.ndarray:
    """The values of a legend's bar from left to right."""
    return np.linspace(first, last, _BAR_WIDTH)
