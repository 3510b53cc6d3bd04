"""Many small pictures on one sheet, signed values as colours, and the legend below them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from cae.pictures.canvas import Canvas, line_height, text_width

# Blue, white, red: the ends and the quarters of ColorBrewer's RdBu, reversed.
_DIVERGING = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))


def signed_colors(values: np.ndarray, largest: float) -> np.ndarray:
    """Colours from blue over white to red: any shape (...), to uint8 (..., 3).

    Example:
        >>> signed_colors(np.array([-2.0, 0.0, 9.0]), largest=2.0).tolist()
        [[5, 48, 97], [247, 247, 247], [103, 0, 31]]

    Args:
        values: signed; beyond `largest` they have the last colour, NaN is white.
        largest: the absolute value of the last colours; 0 makes everything white.
    """
    shares = np.clip(np.nan_to_num(values, nan=0.0) / (largest or 1.0), -1.0, 1.0)
    places = np.linspace(-1.0, 1.0, len(_DIVERGING))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_DIVERGING)]
    return (np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def centred(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Signed values as pixels in [0, 1], channel for channel: 0 becomes 0.5, the largest absolute value 0 or 1.

    Example:
        >>> centred(np.array([-1.0, 0.0, 2.0])).tolist()
        [0.25, 0.5, 1.0]

    Args:
        values: any shape; where nothing differs from 0, all becomes 0.5.
        largest: the absolute value that becomes 0 or 1; None for that of the values.
    """
    if largest is None:
        largest = float(np.max(np.abs(values), initial=0.0))
    return 0.5 + values / (2.0 * (largest or 1.0))


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
