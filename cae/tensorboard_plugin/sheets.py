"""Sheets: all probe images in one PNG, side by side, so that a browser fetches one file for each run and step."""

from __future__ import annotations

import io
import math

import numpy as np
from PIL import Image

from cae.pictures.colors import image_colors


def sheet_columns(number: int) -> int:
    """How many images stand in each row of a sheet.

    >>> sheet_columns(1), sheet_columns(16), sheet_columns(17)
    (1, 4, 5)
    """
    return math.ceil(math.sqrt(number))


def encode_sheet(images: np.ndarray) -> bytes:
    """Put images on a sheet, row by row, without loss but for the rounding to 8 bits.

    Example:
        >>> sheet = Image.open(io.BytesIO(encode_sheet(np.ones((5, 2, 4, 1)))))
        >>> sheet.size, sheet.mode, sheet.getpixel((11, 1)), sheet.getpixel((11, 3))
        ((12, 4), 'L', 255, 0)

    Args:
        images: pixels in [0, 1], (images, height, width, 1 or 3); values outside are clipped, NaN is black.

    Returns:
        A PNG file; places without an image are black.
    """
    number, height, width, channels = images.shape
    columns = sheet_columns(number)
    rows = math.ceil(number / columns)
    places = np.zeros((rows * columns, height, width, channels), np.uint8)
    places[:number] = image_colors(images)[..., :channels]
    sheet = places.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = sheet.reshape(rows * height, columns * width, channels)
    encoded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(encoded, format="PNG")
    return encoded.getvalue()
