"""Pictures on one sheet, and the colour scales that all runs share."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from PIL import Image

from cae.pictures import LARGEST_ERROR, image_colors, scale_colors

# Too dark is blue, too bright is red, and light gray in the middle is right.
_SIGNED = (
    (11, 50, 120),
    (67, 130, 190),
    (160, 200, 225),
    (242, 242, 242),
    (246, 180, 150),
    (214, 96, 77),
    (120, 10, 40),
)
# What rounding to 8 bits leaves, and what a picture's mean brightness reaches.
_SPECTRUM_DB = (-60.0, 20.0)
_STEPS = 256


def color_scales() -> dict[str, dict[str, Any]]:
    """Each scale's name to its ends, its unit and 256 colours.

    Example:
        >>> scale = color_scales()["signed"]
        >>> scale["low"], scale["high"], scale["colors"][0]
        (-0.25, 0.25, [11, 50, 120])
    """
    shares = np.linspace(0.0, 1.0, _STEPS)
    errors = scale_colors(shares).tolist()
    low, high = _SPECTRUM_DB
    return {
        "signed": {"low": -LARGEST_ERROR, "high": LARGEST_ERROR, "unit": "", "colors": _signed_colors(shares)},
        "absolute": {"low": 0.0, "high": LARGEST_ERROR, "unit": "", "colors": errors},
        "spectrum": {"low": low, "high": high, "unit": "dB", "colors": errors},
    }


def _signed_colors(shares: np.ndarray) -> list[list[int]]:
    places = np.linspace(0.0, 1.0, len(_SIGNED))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_SIGNED)]
    return (np.stack(channels, axis=-1) + 0.5).astype(int).tolist()


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
