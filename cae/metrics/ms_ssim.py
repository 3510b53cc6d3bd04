"""Structural similarity at several scales (MS-SSIM)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cae.metrics.pairs import as_float32_pair
from cae.metrics.ssim import luminance_and_structure

# Finest scale first; found by the paper's authors in an experiment with viewers.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

# Halved four times, rounding up, this leaves one window of 11 pixels.
MS_SSIM_MINIMUM_SIDE = 161

# Powers below one have no finite slope at 0; scores this small count as 0.
_SMALLEST_SCORE = 1e-6


def ms_ssim_per_image(images: Any, reconstructions: Any) -> tf.Tensor:
    """MS-SSIM of each image: contrast and structure at five scales, luminance at the coarsest.

    Each scale's score is raised to its weight, and the product of the five is averaged over channels. A score
    that is not positive (structures opposite on the whole) makes a channel's product 0, as in TensorFlow's
    `ssim_multiscale`; unlike there, the gradient is finite everywhere. Where the product is 0 so is its
    gradient: an objective needs another term beside it to get away from there.

    Example:
        >>> import tensorflow as tf
        >>> images = tf.random.stateless_uniform((1, 161, 170, 3), seed=(0, 1))
        >>> ms_ssim_per_image(images, images).numpy().round(3).tolist()
        [1.0]

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, channels), any floating-point type, height and
            width at least 161.
        reconstructions: The same shape.

    Returns:
        float32, shape (batch,), in [0, 1].

    Raises:
        ValueError: The images are too small, or the arguments are not two batches of images of one shape.

    Source:
        Wang, Simoncelli and Bovik (2003), Multiscale structural similarity for image quality assessment,
        sections 3.1 and 3.2.
    """
    images, reconstructions = as_float32_pair(images, reconstructions)
    if min(images.shape[1:3]) < MS_SSIM_MINIMUM_SIDE:
        raise ValueError(
            f"MS-SSIM needs images of at least {MS_SSIM_MINIMUM_SIDE} pixels a side. "
            f"Received: height={images.shape[1]}, width={images.shape[2]}."
        )
    product = tf.constant(1.0)
    coarsest = len(_SCALE_WEIGHTS) - 1
    for scale, weight in enumerate(_SCALE_WEIGHTS):
        luminance, structure = luminance_and_structure(images, reconstructions)
        score = tf.reduce_mean(luminance * structure if scale == coarsest else structure, axis=(1, 2))  # [N, C]
        product *= _rectified_power(score, weight)
        if scale != coarsest:
            images, reconstructions = _halve(images), _halve(reconstructions)
    return tf.reduce_mean(product, axis=1)


def _rectified_power(score: tf.Tensor, weight: float) -> tf.Tensor:
    power = tf.pow(tf.maximum(score, _SMALLEST_SCORE), weight)
    return tf.where(score > _SMALLEST_SCORE, power, tf.zeros_like(power))


def _halve(maps: tf.Tensor) -> tf.Tensor:
    # With an odd side the last row or column is averaged with itself.
    return tf.nn.avg_pool2d(maps, ksize=2, strides=2, padding="SAME")
