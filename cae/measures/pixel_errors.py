"""Errors that look at each pixel by itself: MSE, MAE and PSNR."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

# The PSNR of identical images is infinite and would make every mean infinite.
PSNR_CAP = 100.0

_SMALLEST_MSE = 10.0 ** (-PSNR_CAP / 10.0)


def as_float32_pair(images: Any, reconstructions: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return both as float32 tensors of one shape.

    TensorFlow would broadcast a gray image against a colour one, and 8-bit pixels are 255 times larger than
    every metric expects; both are refused.

    Example:
        >>> import tensorflow as tf
        >>> _, reconstructions = as_float32_pair(tf.zeros((2, 8, 8, 1)), tf.ones((2, 8, 8, 1), tf.bfloat16))
        >>> reconstructions.dtype
        tf.float32

    Args:
        images: floating-point pixels, shape (batch, height, width, channels), all known but the batch.
        reconstructions: the same shape, any floating-point type.

    Returns:
        The two, as float32 tensors.

    Raises:
        ValueError: for another rank, unknown sizes, different shapes, or pixels that are not floating-point.
    """
    images, reconstructions = tf.convert_to_tensor(images), tf.convert_to_tensor(reconstructions)
    for name, values in (("images", images), ("reconstructions", reconstructions)):
        if values.shape.rank != 4 or None in values.shape[1:]:
            raise ValueError(
                f"`{name}` must have shape (batch, height, width, channels), all known but the batch. "
                f"Received: shape={values.shape}."
            )
        if not values.dtype.is_floating:
            raise ValueError(f"`{name}` must be floating-point pixels. Received: dtype={values.dtype.name}.")
    if not images.shape.is_compatible_with(reconstructions.shape):
        raise ValueError(
            "`images` and `reconstructions` must have the same shape. "
            f"Received: {images.shape} and {reconstructions.shape}."
        )
    return tf.cast(images, tf.float32), tf.cast(reconstructions, tf.float32)


def mse_per_image(images: Any, reconstructions: Any) -> tf.Tensor:
    """Mean squared error of each image, over its pixels and channels.

    Nothing is clipped: what leaves [0, 1] counts in full unless the caller clips it.

    Example:
        >>> import tensorflow as tf
        >>> mse_per_image(tf.zeros((2, 8, 8, 1)), tf.fill((2, 8, 8, 1), 0.25)).numpy().tolist()
        [0.0625, 0.0625]

    Args:
        images: pixels in [0, 1], shape (batch, height, width, channels), any floating-point type.
        reconstructions: the same shape.

    Returns:
        float32, shape (batch,).

    Raises:
        ValueError: the arguments are not two batches of images of one shape.
    """
    images, reconstructions = as_float32_pair(images, reconstructions)
    return tf.reduce_mean(tf.math.squared_difference(images, reconstructions), axis=(1, 2, 3))


def mae_per_image(images: Any, reconstructions: Any) -> tf.Tensor:
    """Mean absolute error of each image, over its pixels and channels.

    Example:
        >>> import tensorflow as tf
        >>> mae_per_image(tf.zeros((2, 8, 8, 1)), tf.fill((2, 8, 8, 1), 0.25)).numpy().tolist()
        [0.25, 0.25]

    Args:
        images: pixels in [0, 1], shape (batch, height, width, channels), any floating-point type.
        reconstructions: the same shape.

    Returns:
        float32, shape (batch,).

    Raises:
        ValueError: the arguments are not two batches of images of one shape.
    """
    images, reconstructions = as_float32_pair(images, reconstructions)
    return tf.reduce_mean(tf.abs(images - reconstructions), axis=(1, 2, 3))


def psnr_from_mse(mse: Any) -> tf.Tensor:
    """Peak signal-to-noise ratio in dB of images whose pixels are in [0, 1]: -10 log10(MSE).

    An MSE under 1e-10 counts as 1e-10, so that identical images have 100 dB (`PSNR_CAP`) and means stay
    finite. The PSNR of a set of images is the mean of the images' PSNRs, not the PSNR of their mean MSE. NaN
    stays NaN.

    Example:
        >>> psnr_from_mse([0.01, 0.0]).numpy().round(3).tolist()
        [20.0, 100.0]

    Args:
        mse: mean squared errors of images, any shape.

    Returns:
        float32 of the same shape, at most `PSNR_CAP`.
    """
    mse = tf.cast(tf.convert_to_tensor(mse), tf.float32)
    return tf.math.log(tf.maximum(mse, _SMALLEST_MSE)) * (-10.0 / math.log(10.0))
