"""The four measures that stand beside every result."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cae.metrics.pixel_errors import mae_per_image, mse_per_image, psnr_from_mse
from cae.metrics.ssim import ssim_per_image


def quality_per_image(images: Any, reconstructions: Any) -> dict[str, tf.Tensor]:
    """MSE, MAE, PSNR (dB, at most 100) and SSIM of each image.

    A set's value is the mean over its images. Nothing is clipped.

    Example:
        >>> import tensorflow as tf
        >>> quality = quality_per_image(tf.zeros((1, 8, 8, 1)), tf.fill((1, 8, 8, 1), 0.1))
        >>> {name: round(float(values[0]), 4) for name, values in quality.items()}
        {'mse': 0.01, 'mae': 0.1, 'psnr': 20.0, 'ssim': 0.0099}

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, channels), any floating-point type.
        reconstructions: The same shape, clipped by the caller where it may leave [0, 1].

    Returns:
        `mse`, `mae`, `psnr` and `ssim`, each float32 of shape (batch,).

    Raises:
        ValueError: The arguments are not two batches of images of one shape.
    """
    mse = mse_per_image(images, reconstructions)
    return {
        "mse": mse,
        "mae": mae_per_image(images, reconstructions),
        "psnr": psnr_from_mse(mse),
        "ssim": ssim_per_image(images, reconstructions),
    }
