"""The metrics of an image: the one list of them, and how each batch is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from cae.artefacts import high_frequency_ratio
from cae.metrics import MS_SSIM_MINIMUM_SIDE, ms_ssim_per_image, quality_per_image


def metric_names(image_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """Names of the metrics that images of a size have, in the order of per_image.csv.

    Example:
        >>> metric_names((28, 28, 1))
        ('mse', 'mae', 'psnr', 'ssim', 'high_frequency_ratio')
        >>> metric_names((200, 161, 3))
        ('mse', 'mae', 'psnr', 'ssim', 'ms_ssim', 'high_frequency_ratio')

    Args:
        image_shape: (height, width, channels), in pixels.
    """
    ms_ssim = ("ms_ssim",) if _is_large_enough(image_shape) else ()
    return ("mse", "mae", "psnr", "ssim", *ms_ssim, "high_frequency_ratio")


def similarity_per_image(images: tf.Tensor, reconstructions: tf.Tensor) -> dict[str, tf.Tensor]:
    """The metrics that TensorFlow computes, all but `high_frequency_ratio`; may be part of a compiled function.

    Args:
        images: pixels in [0, 1], (batch, height, width, channels).
        reconstructions: the same shape, within [0, 1].

    Returns:
        Each metric's name to float32, (batch,).
    """
    quality = quality_per_image(images, reconstructions)
    if _is_large_enough(tuple(images.shape[1:])):
        quality["ms_ssim"] = ms_ssim_per_image(images, reconstructions)
    return quality


def metrics_per_image(images: Any, reconstructions: Any) -> dict[str, np.ndarray]:
    """All metrics of a batch.

    Example:
        >>> images = np.zeros((2, 8, 8, 1), np.float32)
        >>> {name: values.round(3).tolist() for name, values in metrics_per_image(images, images + 0.1).items()}["psnr"]
        [20.0, 20.0]

    Args:
        images: pixels in [0, 1], (batch, height, width, channels).
        reconstructions: the same shape, within [0, 1].

    Returns:
        Each of `metric_names` to float32 or float64, (batch,).
    """
    similarity = similarity_per_image(tf.convert_to_tensor(images), tf.convert_to_tensor(reconstructions))
    return {
        **{name: values.numpy() for name, values in similarity.items()},
        "high_frequency_ratio": high_frequency_ratio(images, reconstructions),
    }


def _is_large_enough(image_shape: tuple[int, ...]) -> bool:
    return min(image_shape[:2]) >= MS_SSIM_MINIMUM_SIDE
