"""Structural similarity (SSIM)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cae.metrics.gaussian_window import gaussian_means
from cae.metrics.pairs import as_float32_pair

_LARGEST_WINDOW = 11
# (K1 L)^2 and (K2 L)^2 with K1 = 0.01, K2 = 0.03 and the pixel range L = 1.
_C1 = 0.01**2
_C2 = 0.03**2


def ssim_per_image(images: Any, reconstructions: Any) -> tf.Tensor:
    """SSIM of each image: luminance times contrast and structure, mean over places and channels.

    The window is Gaussian, 11 pixels a side with sigma 1.5, and stays inside the image; in an image with a
    side under 11 it is the largest odd window that fits. 1 for identical images, negative where structures
    are opposite. Nothing is clipped. The gradient is finite.

    Example:
        >>> import tensorflow as tf
        >>> stripes = tf.tile(tf.constant([0.0, 1.0])[None, None, :, None], (1, 16, 8, 1))
        >>> ssim_per_image(stripes, stripes).numpy().round(3).tolist()
        [1.0]
        >>> ssim_per_image(stripes, 1.0 - stripes).numpy().round(1).tolist()
        [-1.0]

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, channels), any floating-point type.
        reconstructions: The same shape.

    Returns:
        float32, shape (batch,), in [-1, 1].

    Raises:
        ValueError: The arguments are not two batches of images of one shape.

    Source:
        Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility to
        structural similarity, section III.B.
    """
    images, reconstructions = as_float32_pair(images, reconstructions)
    luminance, structure = luminance_and_structure(images, reconstructions)
    return tf.reduce_mean(luminance * structure, axis=(1, 2, 3))


def luminance_and_structure(images: tf.Tensor, reconstructions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """SSIM's two factors at each place of the window: luminance, and contrast with structure.

    Args:
        images: float32 in [0, 1], shape (batch, height, width, channels), all known but the batch.
        reconstructions: The same shape.

    Returns:
        Two float32 maps, shape (batch, height - window + 1, width - window + 1, channels).
    """
    squares = tf.square(images) + tf.square(reconstructions)
    # One filtering of four maps is cheaper than four filterings of one.
    maps = tf.concat([images, reconstructions, images * reconstructions, squares], axis=0)
    means = gaussian_means(maps, _window_that_fits(*images.shape[1:3]))
    mean_x, mean_y, mean_xy, mean_squares = tf.split(means, 4, axis=0)

    product_of_means = 2.0 * mean_x * mean_y
    squares_of_means = tf.square(mean_x) + tf.square(mean_y)
    luminance = (product_of_means + _C1) / (squares_of_means + _C1)
    # Rounding can make a variance negative, by more than C2 where values are far outside [0, 1].
    variances = tf.maximum(mean_squares - squares_of_means, 0.0)
    structure = (2.0 * mean_xy - product_of_means + _C2) / (variances + _C2)
    return luminance, structure


def _window_that_fits(height: int, width: int) -> int:
    side = min(height, width, _LARGEST_WINDOW)
    return side if side % 2 else side - 1
