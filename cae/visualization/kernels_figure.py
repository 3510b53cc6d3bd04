"""The kernels of a layer as pictures."""

from __future__ import annotations

import numpy as np

from cae.pictures.colors import image_colors
from cae.pictures.grid import stack
from cae.visualization.shades import centred, signed_colors
from cae.visualization.tiles import WIDEST, fit, scale_legend, scale_steps, tile, titled

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
