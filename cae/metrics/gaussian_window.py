"""Means under a Gaussian window that slides over every place where it lies wholly inside the image."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import tensorflow as tf

_SIGMA = 1.5

# Rows of up to this many values are filtered by a product with a band matrix, which at 28x28 gray takes a
# quarter of the convolution's time. The product's cost for a pixel grows with the row, the convolution's does
# not.
_LONGEST_BAND_ROW = 160


def gaussian_means(maps: tf.Tensor, window: int) -> tf.Tensor:
    """Filter each channel by a normalised Gaussian window (sigma 1.5), at the places where it fits.

    The window is separable: columns and rows are filtered one after the other.

    Example:
        >>> import tensorflow as tf
        >>> gaussian_means(tf.ones((2, 28, 30, 3)), window=11).shape
        TensorShape([2, 18, 20, 3])

    Args:
        maps: float32, shape (batch, height, width, channels), all known but the batch.
        window: Side of the window in pixels, odd, at most the shorter side.

    Returns:
        float32, shape (batch, height - window + 1, width - window + 1, channels).
    """
    _, height, width, channels = maps.shape
    precise = tf.cast(maps, _product_dtype())
    if max(height, width * channels) <= _LONGEST_BAND_ROW:
        means = _means_by_band_matrices(precise, window)
    else:
        means = _means_by_convolution(precise, window)
    return tf.cast(means, tf.float32)


def _product_dtype() -> tf.DType:
    # TensorFloat-32 rounds factors to 11 bits. A variance found as a difference of two means does not survive
    # that (a mean SSIM comes out 0.005 too low). It can only be switched off for the whole program, and these
    # products are few, so there they are taken in float64.
    may_round = tf.config.get_visible_devices("GPU") and tf.config.experimental.tensor_float_32_execution_enabled()
    return tf.float64 if may_round else tf.float32


def _means_by_band_matrices(maps: tf.Tensor, window: int) -> tf.Tensor:
    _, height, width, channels = maps.shape
    across = tf.constant(_band_matrix(width, window, channels), maps.dtype)
    down = tf.constant(_band_matrix(height, window, 1), maps.dtype)
    rows = tf.reshape(maps, (-1, width * channels))  # [N * H, W * C]
    rows = tf.matmul(rows, across, transpose_b=True)  # [N * H, W' * C]
    rows = tf.reshape(rows, (-1, height, across.shape[0]))  # [N, H, W' * C]
    means = tf.matmul(down, rows)  # [N, H', W' * C]
    return tf.reshape(means, (-1, height - window + 1, width - window + 1, channels))


def _means_by_convolution(maps: tf.Tensor, window: int) -> tf.Tensor:
    channels = maps.shape[-1]
    weights = tf.constant(np.repeat(_weights(window), channels), maps.dtype)
    for shape in ((window, 1, channels, 1), (1, window, channels, 1)):
        maps = tf.nn.depthwise_conv2d(maps, tf.reshape(weights, shape), strides=(1, 1, 1, 1), padding="VALID")
    return maps


def _weights(window: int) -> np.ndarray:
    distances = np.arange(window) - (window - 1) / 2
    weights = np.exp(-np.square(distances) / (2 * _SIGMA**2))
    return weights / weights.sum()


@lru_cache(maxsize=32)
def _band_matrix(size: int, window: int, channels: int) -> np.ndarray:
    """Make a matrix of the window's weights, one pixel further in each row; channels lie interleaved."""
    bands = np.zeros((size - window + 1, size))
    for place, row in enumerate(bands):
        row[place : place + window] = _weights(window)
    return np.kron(bands, np.eye(channels))
