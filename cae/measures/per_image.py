"""Metrics of each image: MSE, MAE, PSNR, and structural similarity at one scale (SSIM) and at several (MS-SSIM)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from cae.config.objective import MS_SSIM_LEAST_SIDE

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


_LARGEST_WINDOW = 11
# (K1 L)^2 and (K2 L)^2 with K1 = 0.01, K2 = 0.03 and the pixel range L = 1.
_C1 = 0.01**2
_C2 = 0.03**2

# Finest scale first; found by the paper's authors in an experiment with viewers.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

# Powers below one have no finite slope at 0; scores this small count as 0.
_SMALLEST_SCORE = 1e-6

_SIGMA = 1.5

# Rows of up to this many values are filtered by a product with a band matrix, which at 28x28 gray takes a
# quarter of the convolution's time. The product's cost for a pixel grows with the row, the convolution's does
# not.
_LONGEST_BAND_ROW = 160


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
        images: pixels in [0, 1], shape (batch, height, width, channels), any floating-point type.
        reconstructions: the same shape.

    Returns:
        float32, shape (batch,), in [-1, 1].

    Raises:
        ValueError: the arguments are not two batches of images of one shape.

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
        reconstructions: the same shape.

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
        images: pixels in [0, 1], shape (batch, height, width, channels), any floating-point type, height and
            width at least 161.
        reconstructions: the same shape.

    Returns:
        float32, shape (batch,), in [0, 1].

    Raises:
        ValueError: the images are too small, or the arguments are not two batches of images of one shape.

    Source:
        Wang, Simoncelli and Bovik (2003), Multiscale structural similarity for image quality assessment,
        sections 3.1 and 3.2.
    """
    images, reconstructions = as_float32_pair(images, reconstructions)
    if min(images.shape[1:3]) < MS_SSIM_LEAST_SIDE:
        raise ValueError(
            f"MS-SSIM needs images of at least {MS_SSIM_LEAST_SIDE} pixels a side. "
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


def gaussian_means(maps: tf.Tensor, window: int) -> tf.Tensor:
    """Filter each channel by a normalised Gaussian window (sigma 1.5), at the places where it fits.

    The window is separable: columns and rows are filtered one after the other.

    Example:
        >>> import tensorflow as tf
        >>> gaussian_means(tf.ones((2, 28, 30, 3)), window=11).shape
        TensorShape([2, 18, 20, 3])

    Args:
        maps: float32, shape (batch, height, width, channels), all known but the batch.
        window: side of the window in pixels, odd, at most the shorter side.

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
