"""One number for how badly an image was reconstructed, and a map of where."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from cae.anomaly.strips import row_strips
from cae.data.pixels import to_float

Metric = Literal["mse", "mae", "ssim", "peak"]
METRICS: tuple[str, ...] = get_args(Metric)

# Of the Gaussian that errors are averaged under, in shares of the shorter side: a pixel that is off by chance is none.
_PEAK_SIGMA = 1 / 32


def score_images(images: np.ndarray, reconstructions: np.ndarray, metric: Metric) -> np.ndarray:
    """Score each image: the higher, the worse its reconstruction.

    `mse` and `mae` are means of the squared and of the absolute error over pixels and channels. `ssim` is 1 - SSIM,
    from 0 to 2, which looks at structure more than at brightness. `peak` is the highest local mean of the squared
    error, under a Gaussian whose sigma is a 32nd of the shorter side: it finds a small defect in a large image.

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
        reconstructions: The same shape, float32 in [0, 1].
        metric: One of `METRICS`.

    Returns:
        float64, (batch,).

    Raises:
        ValueError: There is no such metric.
    """
    if metric not in METRICS:
        raise ValueError(f"`metric` must be one of {', '.join(METRICS)}. Received: metric={metric!r}.")
    if metric in ("mse", "ssim"):
        from cae.anomaly.quality import measure_quality

        quality = measure_quality(images, reconstructions)
        return np.asarray(quality["mse"] if metric == "mse" else 1.0 - quality["ssim"], np.float64)
    if metric == "mae":
        pairs = zip(images, reconstructions, strict=True)
        return np.array([error_map(image, made).mean(dtype=np.float64) for image, made in pairs])
    return np.array([_peak(image, made) for image, made in zip(images, reconstructions, strict=True)])


def error_map(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
    """Absolute error of each pixel, mean over channels.

    Args:
        image: (height, width, channels), uint8 or float32 in [0, 1].
        reconstruction: The same shape, float32.

    Returns:
        float32, (height, width).
    """
    strips = row_strips(*image.shape[:2])
    return np.concatenate([np.abs(to_float(image[strip]) - reconstruction[strip]).mean(axis=-1) for strip in strips])


def _peak(image: np.ndarray, reconstruction: np.ndarray) -> float:
    from scipy import ndimage

    strips = row_strips(*image.shape[:2])
    parts = [np.square(to_float(image[strip]) - reconstruction[strip]).mean(axis=-1) for strip in strips]
    squares = np.concatenate(parts)  # [H, W]
    sigma = min(squares.shape) * _PEAK_SIGMA
    return float(ndimage.gaussian_filter(squares, sigma, mode="reflect", truncate=3.0).max())
