"""How near reconstructions of any size come to their pictures, in memory that does not grow with the picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cae.data.pixels import to_float
from cae.measures.pixel_errors import mse_per_image, psnr_from_mse
from cae.measures.ssim import ssim_per_image

_WINDOW = 11  # of SSIM, in pixels
_MOST_PIXELS = 2**20


def measure_quality(images: np.ndarray, reconstructions: np.ndarray) -> dict[str, np.ndarray]:
    """MSE, PSNR in dB and SSIM of each picture, as `cae.measures` defines them.

    Large pictures are measured strip by strip; the mean over all pixels, and over all places of SSIM's window, is the
    same.

    Example:
        >>> images = np.zeros((1, 8, 8, 1), np.uint8)
        >>> {name: values.round(3).tolist() for name, values in measure_quality(images, to_float(images) + 0.1).items()}
        {'mse': [0.01], 'psnr': [20.0], 'ssim': [0.01]}

    Args:
        images: (batch, height, width, channels), uint8 or float32 in [0, 1].
        reconstructions: The same shape, float32 in [0, 1].

    Returns:
        `mse`, `psnr` and `ssim`, each (batch,).
    """
    height, width = images.shape[1:3]
    halo = min(_WINDOW, _largest_odd(min(height, width))) - 1
    mse = ssim = np.zeros(len(images))
    for strip, inner, places in _strips(height, halo, max(1, _MOST_PIXELS // (width * len(images)))):
        seen, made = to_float(images[:, strip]), reconstructions[:, strip]
        here = slice(0, inner)
        mse = mse + mse_per_image(seen[:, here], made[:, here]).numpy() * (inner / height)
        ssim = ssim + ssim_per_image(seen, made).numpy() * (places / (height - halo))
    return {"mse": mse, "psnr": psnr_from_mse(mse).numpy(), "ssim": ssim}


def _strips(height: int, halo: int, rows: int) -> Iterator[tuple[slice, int, int]]:
    """Cut a height into strips that share `halo` rows with the next.

    Each is given with the number of rows that are its alone, and the number of places that a window of halo + 1 rows
    has in it. The last strip's own rows are all that are left.
    """
    places = height - halo
    for first in range(0, places, rows):
        here = min(rows, places - first)
        is_last = first + here == places
        yield slice(first, first + here + halo), here + (halo if is_last else 0), here


def _largest_odd(side: int) -> int:
    return side if side % 2 else side - 1
