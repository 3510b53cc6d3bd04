"""What every metric asks of its two arguments."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


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
        images: Floating-point pixels, shape (batch, height, width, channels), all known but the batch.
        reconstructions: The same shape, any floating-point type.

    Returns:
        The two, as float32 tensors.

    Raises:
        ValueError: For another rank, unknown sizes, different shapes, or pixels that are not floating-point.
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
