"""What each map of a layer responds to: parts of images beside their projections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cae.pictures.colors import image_colors
from cae.pictures.grid import stack
from cae.visualization.shades import centred
from cae.visualization.tiles import WIDEST, blank, fit, tile, titled

# Small parts are enlarged to about this many pixels, large ones reduced to the second.
_LEGIBLE, _LARGEST = 72, 112
# What lies beyond an image's border, and between parts: no shade of gray, which could be taken for pixels.
_OUTSIDE = (166, 189, 219)


@dataclass(frozen=True)
class Feature:
    """A map with what activates it most.

    Args:
        heading: a line above.
        crops: parts of images, strongest first; pixels in [0, 1], shape (height, width, 1 or 3), NaN where a part goes
            beyond the border.
        projections: signed, the same shapes; NaN likewise.
    """

    heading: str
    crops: Sequence[np.ndarray]
    projections: Sequence[np.ndarray]


def draw_feature(feature: Feature) -> np.ndarray:
    """Draw one map: a block of image parts, and to its right the same block of projections.

    Each projection is scaled by itself: zero is gray, its largest absolute value black or white; in colour, channel
    for channel.

    Example:
        >>> parts = [np.zeros((4, 4, 1))] * 9
        >>> draw_feature(Feature("map 3", parts, parts)).dtype
        dtype('uint8')
    """
    columns = math.ceil(math.sqrt(len(feature.crops)))
    crops = tile([_part(crop, crop) for crop in feature.crops], columns, gap=2, background=_OUTSIDE)
    projections = tile(
        [_part(centred(np.nan_to_num(p)), p) for p in feature.projections], columns, gap=2, background=_OUTSIDE
    )
    return titled(feature.heading, tile([crops, projections], columns=2, gap=10))


def draw_features(title: str, legend: str, features: Sequence[np.ndarray]) -> np.ndarray:
    """Put drawn maps on one sheet, under a title and above a legend.

    Args:
        title: a line above.
        legend: a line below.
        features: from `draw_feature`; at least one.
    """
    height, width = (max(feature.shape[axis] for feature in features) for axis in (0, 1))
    columns = min(4, max(1, WIDEST // width))
    # Headings differ in length, and tiles have one size.
    even = [_on_paper(feature, height, width) for feature in features]
    return stack([titled(title, tile(even, columns, gap=8)), titled(legend, blank(1, 1))])


def _part(pixels: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Colours of a part; what goes beyond the border becomes blue."""
    colors = image_colors(pixels[np.newaxis])[0].copy()
    colors[np.isnan(outside).any(axis=-1)] = _OUTSIDE
    return fit(colors, _LEGIBLE, _LARGEST)


def _on_paper(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    sheet = blank(height, width)
    sheet[: picture.shape[0], : picture.shape[1]] = picture
    return sheet
