"""Colour scales of the tab: fixed, so that the pictures of different runs can be compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from cae.pictures.colors import LARGEST_ERROR, scale_colors

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
