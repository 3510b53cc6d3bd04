"""One number for how badly an image was reconstructed, and a map of where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from PIL import Image

from cae.data.pixels import to_float
from cae.pictures import LARGEST_ERROR, scale_colors

ErrorMetric = Literal["mse", "mae", "ssim", "peak", "top"]
METRICS: tuple[str, ...] = get_args(ErrorMetric)

_MOST_PIXELS = 2**20
_WINDOW = 11  # of SSIM, in pixels
# Of the Gaussian that errors are averaged under, in shares of the shorter side: a pixel that is off by chance is none.
_PEAK_SIGMA = 1 / 32
TOP_SHARE = 0.01


def row_strips(height: int, width: int) -> Iterator[slice]:
    """Give the rows of a picture in strips of about a million pixels, at least a row each.

    >>> [(strip.start, strip.stop) for strip in row_strips(1500, 2000)]
    [(0, 524), (524, 1048), (1048, 1500)]
    """
    rows = max(1, _MOST_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


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
        reconstructions: the same shape, float32 in [0, 1].

    Returns:
        `mse`, `psnr` and `ssim`, each (batch,).
    """
    # They load TensorFlow, which must find the engine's settings made.
    from cae.measures.per_image import mse_per_image, psnr_from_mse, ssim_per_image

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


def score_images(images: np.ndarray, reconstructions: np.ndarray, metric: str) -> np.ndarray:
    """Score each image: the higher, the worse its reconstruction.

    `mse` and `mae` are means of the squared and of the absolute error over pixels and channels. `ssim` is 1 - SSIM,
    from 0 to 2, which looks at structure more than at brightness. `peak` is the highest local mean of the squared
    error, under a Gaussian whose sigma is a 32nd of the shorter side: it finds a small defect in a large image.
    `top` is the mean of the highest hundredth of the squared errors: it finds small defects, thin ones, too.

    Example:
        >>> images = np.zeros((2, 32, 32, 1), np.uint8)
        >>> images[1, 8:12, 8:12] = 255
        >>> reconstructions = np.zeros((2, 32, 32, 1), np.float32)
        >>> score_images(images, reconstructions, "mse").tolist()
        [0.0, 0.015625]
        >>> score_images(images, reconstructions, "peak").round(2).tolist()
        [0.0, 0.88]

    Args:
        images: (batch, height, width, channels), uint8 or float32 in [0, 1].
        reconstructions: the same shape, float32 in [0, 1].
        metric: one of `METRICS`.

    Returns:
        float64, (batch,).

    Raises:
        ValueError: there is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"`metric` must be one of {', '.join(METRICS)}. Received: metric={metric!r}.")
    if metric in ("mse", "ssim"):
        quality = measure_quality(images, reconstructions)
        return np.asarray(quality["mse"] if metric == "mse" else 1.0 - quality["ssim"], np.float64)
    if metric == "mae":
        pairs = zip(images, reconstructions, strict=True)
        return np.array([error_map(image, made).mean(dtype=np.float64) for image, made in pairs])
    of_one = _peak if metric == "peak" else _top
    return np.array([of_one(image, made) for image, made in zip(images, reconstructions, strict=True)])


def error_map(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Absolute error of each pixel, mean over channels.

    Args:
        image: (height, width, channels), uint8 or float32 in [0, 1].
        reconstruction: the same shape, float32.

    Returns:
        float32, (height, width).
    """
    strips = row_strips(*image.shape[:2])
    return np.concatenate([np.abs(to_float(image[strip]) - reconstruction[strip]).mean(axis=-1) for strip in strips])


def _squares(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Squared error of each pixel, mean over channels, (height, width)."""
    strips = row_strips(*image.shape[:2])
    parts = [np.square(to_float(image[strip]) - reconstruction[strip]).mean(axis=-1) for strip in strips]
    return np.concatenate(parts)


def _peak(image: np.ndarray, reconstruction: np.ndarray) -> float:
    from scipy import ndimage

    squares = _squares(image, reconstruction)
    sigma = min(squares.shape) * _PEAK_SIGMA
    return float(ndimage.gaussian_filter(squares, sigma, mode="reflect", truncate=3.0).max())


def _top(image: np.ndarray, reconstruction: np.ndarray) -> float:
    return float(top_share(_squares(image, reconstruction)[np.newaxis])[0])


def top_share(maps: np.ndarray, share: float = TOP_SHARE) -> np.ndarray:
    """Mean of the largest values of each map, a hundredth of them and at least one.

    >>> top_share(np.arange(200.0).reshape(1, 10, 20)).tolist()
    [198.5]

    Args:
        maps: (batch, height, width).
        share: of the values.

    Returns:
        float64, (batch,).
    """
    rows = maps.reshape(len(maps), -1)
    first = rows.shape[1] - max(1, round(share * rows.shape[1]))
    return np.partition(rows, first, axis=1)[:, first:].mean(axis=1, dtype=np.float64)


def at_size(errors: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a map to the size of its image, by straight lines between its values: float32, (height, width).

    >>> at_size(np.array([[0.0, 1.0]], np.float32), (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 1.0]]
    """
    if size == errors.shape:
        return errors
    return np.asarray(Image.fromarray(errors).resize(size[::-1], Image.Resampling.BILINEAR))


def color_errors(errors: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Draw absolute errors on the colour scale of all error maps: black at 0, pale yellow from 0.25 on.

    Example:
        >>> color_errors(np.array([[0.0, 0.125, 0.9]], np.float32))[0].tolist()
        [[0, 0, 4], [188, 55, 84], [252, 255, 164]]

    Args:
        errors: (height, width), float32.
        size: height and width of the picture; others than the errors' where images were resized for the model.

    Returns:
        uint8, (height, width, 3).
    """
    errors = errors if size is None else at_size(errors, size)
    # Colours are found in 64 bits.
    return np.concatenate([scale_colors(errors[strip] / LARGEST_ERROR) for strip in row_strips(*errors.shape)])
