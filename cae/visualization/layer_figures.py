"""Figures of one layer: what its maps respond to, its kernels, and its maps of one image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cae.pictures.colors import image_colors, scale_colors
from cae.pictures.grid import stack
from cae.visualization.sheets import WIDEST, blank, centred, fit, scale_legend, scale_steps, signed_colors, tile, titled

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


# Small kernels are enlarged to about this many pixels, small multiples to half of it; none is made smaller than that.
_LEGIBLE, _SMALLEST = 48, 8
# More input channels or maps than these are not drawn.
_MOST = 256


def draw_kernels(name: str, kernel: np.ndarray) -> np.ndarray:
    """Draw a layer's kernels, all on one scale that is symmetric around zero and stands below.

    Kernels over RGB images are colour pictures in which gray is zero. Others are small multiples: one row for each
    map, one kernel in it for each input channel, blue below and red above zero. A dense layer's weights are drawn as
    kernels that are as large as its input. Of very wide layers the first 256 maps and channels are drawn.

    Example:
        >>> draw_kernels("latent", np.ones((1, 1, 8, 4))).dtype
        dtype('uint8')

    Args:
        name: the layer's.
        kernel: shape (height, width, input channels, maps).

    Returns:
        uint8, shape (height, width, 3).
    """
    height, width, channels, maps = kernel.shape
    largest = float(np.max(np.abs(kernel), initial=0.0))
    title = f"{name}: {maps} kernels of {height}x{width}"
    if channels not in (1, 3):
        title += f" over {channels} channels; a row for each map"
    if max(channels, maps) > _MOST:
        title += f", the first {_MOST} of each"
    kernel = kernel[:, :, :_MOST, :_MOST]
    if channels == 3:
        pictures = image_colors(centred(np.transpose(kernel, (3, 0, 1, 2)), largest))  # [maps, h, w, 3]
        sheet = _sheet(list(pictures), 16, _LEGIBLE)
        bar = image_colors(centred(scale_steps(-1, 1))[None, None, :, None])[0, 0]
    elif channels == 1:
        sheet = _sheet(list(signed_colors(np.transpose(kernel[:, :, 0], (2, 0, 1)), largest)), 16, _LEGIBLE)
        bar = signed_colors(scale_steps(-1, 1), 1.0)
    else:
        multiples = signed_colors(np.transpose(kernel, (3, 2, 0, 1)), largest)  # [maps, channels, h, w, 3]
        sheet = _sheet([picture for row in multiples for picture in row], kernel.shape[2], _LEGIBLE // 2)
        bar = signed_colors(scale_steps(-1, 1), 1.0)
    return stack([titled(title, sheet), scale_legend(f"{-largest:.3g}", bar, f"{largest:.3g}")])


def _sheet(pictures: list[np.ndarray], columns: int, legible: int) -> np.ndarray:
    """Kernels as large as the widest sheet allows."""
    gap = 3
    room = WIDEST // columns - gap
    if room < _SMALLEST:
        gap = 1
    return tile([fit(picture, min(legible, room), max(room, _SMALLEST)) for picture in pictures], columns, gap)


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
