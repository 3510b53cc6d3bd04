"""All feature maps that a layer makes of one image."""

from __future__ import annotations

import math

import numpy as np

from cae.pictures.colors import scale_colors
from cae.pictures.grid import stack
from cae.visualization.shades import signed_colors
from cae.visualization.tiles import WIDEST, fit, scale_legend, scale_steps, tile, titled

_LEGIBLE, _LARGEST = 56, 112


def draw_activations(name: str, maps: np.ndarray) -> np.ndarray:
    """Draw a layer's maps of one image, row by row, all on one scale that stands below.

    Maps without negative values are black at zero and pale yellow at the layer's largest value; others are white at
    zero, blue below and red above it.

    Example:
        >>> draw_activations("stage_1_conv_1", np.ones((14, 14, 32))).dtype
        dtype('uint8')

    Args:
        name: the layer's.
        maps: shape (height, width, maps).

    Returns:
        uint8, shape (height, width, 3).
    """
    largest = float(np.max(np.abs(maps)))
    height, width, number = maps.shape
    by_map = np.transpose(maps, (2, 0, 1))
    if maps.min() < 0:
        colors = signed_colors(by_map, largest)
        legend = scale_legend(f"{-largest:.3g}", signed_colors(scale_steps(-1, 1), 1.0), f"{largest:.3g}")
    else:
        colors = scale_colors(by_map / (largest or 1.0))
        legend = scale_legend("0", scale_colors(scale_steps(0, 1)), f"{largest:.3g}")
    pictures = [fit(picture, _LEGIBLE, _LARGEST) for picture in colors]
    # Twice as wide as high; maps count row by row.
    columns = max(1, min(math.ceil(math.sqrt(2 * number)), WIDEST // (pictures[0].shape[1] + 2)))
    title = f"{name}: {number} maps of {height}x{width}"
    return stack([titled(title, tile(pictures, columns, gap=2)), legend])
