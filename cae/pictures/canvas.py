"""Blocks of pictures with titles on one canvas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Neither white nor black, so that the borders of white and of black images show.
_BACKGROUND = (238, 238, 238)
_INK = (40, 40, 40)
_FONT_SIZE = 13


class Canvas:
    """A light gray sheet.

    Example:
        >>> canvas = Canvas(width=60, height=20)
        >>> canvas.write("error", left=2, top=2)
        >>> canvas.pixels().shape
        (20, 60, 3)

    Args:
        width: In pixels.
        height: In pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._sheet = Image.new("RGB", (width, height), _BACKGROUND)
        self._pen = ImageDraw.Draw(self._sheet)

    def paste(self, picture: np.ndarray, left: int, top: int) -> None:
        """Put a picture, uint8 of shape (height, width, 3), with its top left corner at a place."""
        self._sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, top))

    def write(self, text: str, left: int, top: int) -> None:
        """Write one line of text; all lines have the same height, `line_height()`."""
        self._pen.text((left, top), text, fill=_INK, font=_font())

    def pixels(self) -> np.ndarray:
        """Return the sheet: uint8, shape (height, width, 3)."""
        return np.array(self._sheet)


def text_width(text: str) -> int:
    """Width of a line of text in pixels."""
    return int(np.ceil(_font().getlength(text)))


def line_height() -> int:
    """Height of a line of text in pixels, with room for letters that reach below the line."""
    return _FONT_SIZE + 4


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


# Small images are enlarged by a whole number to about this many pixels a side.
_LEGIBLE_SIDE = 96
# Large ones are reduced to this many, or to what the widest picture leaves for each column.
_LARGEST_SIDE = 512
_WIDEST_PICTURE = 2000
_GAP = 4
_MARGIN = 8


def draw_block(
    rows: Mapping[str, np.ndarray], cell: tuple[int, int], labels: Sequence[str], heading: str = ""
) -> np.ndarray:
    """Draw a heading, then the rows, then the labels.

    Example:
        >>> rows = {"input": np.zeros((3, 8, 8, 3), np.uint8)}
        >>> draw_block(rows, cell=(80, 80), labels=["a", "b", "c"]).shape[2]
        3

    Args:
        rows: Caption to pictures, uint8 of shape (columns, height, width, 3), the same in each row.
        cell: Height and width of a picture in the block.
        labels: One for each column, or none at all.
        heading: A line above; none when empty.

    Returns:
        uint8, shape (height, width, 3).
    """
    height, width = cell
    captions_width = _captions_width(rows)
    column_width = max([width, *(text_width(label) for label in labels)]) + _GAP
    lefts = [_MARGIN + captions_width + i * column_width for i in range(len(next(iter(rows.values()))))]
    top = _MARGIN + (line_height() if heading else 0)
    bottom = top + len(rows) * (height + _GAP) + (line_height() + _MARGIN if labels else 0)
    canvas = Canvas(lefts[-1] + column_width + _MARGIN, bottom)
    canvas.write(heading, _MARGIN, _MARGIN - _GAP)
    for caption, pictures in rows.items():
        canvas.write(caption, _MARGIN, top + (height - line_height()) // 2)
        for left, picture in zip(lefts, pictures, strict=True):
            canvas.paste(_fit(picture, cell), left + (column_width - _GAP - width) // 2, top)
        top += height + _GAP
    for left, label in zip(lefts, labels, strict=False):
        canvas.write(label, left + (column_width - _GAP - text_width(label)) // 2, top - _GAP // 2)
    return canvas.pixels()


def choose_cell(image_size: tuple[int, int], columns: int, rows: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Choose the size of each picture: small images become legible, and the block does not get too wide.

    Example:
        >>> rows = {"input": np.zeros((8, 28, 28, 3), np.uint8)}
        >>> choose_cell((28, 28), columns=8, rows=rows)
        (84, 84)

    Args:
        image_size: Height and width of the images.
        columns: Pictures beside each other.
        rows: As for `draw_block`; their captions take room.

    Returns:
        Height and width: a whole multiple of the image's, or less than the image's.
    """
    height, width = image_size
    room = (_WIDEST_PICTURE - 2 * _MARGIN - _captions_width(rows)) / columns - _GAP
    scale = min(max(1, _LEGIBLE_SIDE // max(height, width)), room / width, _LARGEST_SIDE / max(height, width))
    if scale > 1.0:
        scale = math.floor(scale)
    return max(1, int(height * scale)), max(1, int(width * scale))


def _captions_width(rows: Mapping[str, np.ndarray]) -> int:
    return max(text_width(caption) for caption in rows) + _MARGIN


def _fit(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    height, width = cell
    is_smaller = height < picture.shape[0]
    method = Image.Resampling.BOX if is_smaller else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), method))
