"""Signed values as colours: zero in the middle, the same distance from it in both directions."""

from __future__ import annotations

import numpy as np

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
