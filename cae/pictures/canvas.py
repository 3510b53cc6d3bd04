"""A sheet to paste pictures on and to write on."""

from __future__ import annotations

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
