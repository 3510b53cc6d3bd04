"""Convolution, also to few filters."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.forms import products_are_faster
from cae.layers.bias import add_bias


@keras.saving.register_keras_serializable(package="cae")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed as matrix products where there are few filters.

    The last convolution of a decoder gives one or three channels of full-size pictures. To a single one it is, on a
    CPU, half as fast as a matrix product whose results are shifted and added, where each tap of the kernel is a row of
    the matrix. The layer chooses the faster form (see `cae.forms`) for SAME padding and strides of 1.

    Example:
    >>> import numpy as np
    >>> Conv2D(3, kernel_size=3, padding="same")(np.zeros((1, 8, 9, 32), "float32")).shape
    TensorShape([1, 8, 9, 3])

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel in pixels, or one number for both.
        **kwargs: As for `keras.layers.Conv2D`.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels).

    Output shape:
        (batch, height, width, filters) with SAME padding and strides of 1; else as for `keras.layers.Conv2D`.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the convolved features."""
        kernel = tf.convert_to_tensor(self.kernel)
        on_gpu = bool(tf.config.list_logical_devices("GPU"))
        if not (self._is_plain and products_are_faster(kernel.shape, self.compute_dtype, on_gpu=on_gpu)):
            return super().call(inputs)
        outputs = convolve_to_few_filters(inputs, kernel)
        if self.use_bias:
            outputs = add_bias(outputs, self.bias)
        return self.activation(outputs)

    @property
    def _is_plain(self) -> bool:
        return (
            self.padding == "same"
            and self.groups == 1
            and self.data_format == "channels_last"
            and tuple(self.strides) == tuple(self.dilation_rate) == (1, 1)
        )


def convolve_to_few_filters(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve with SAME padding and strides of 1: for each tap a product with all pixels, shifted and added.

    Maps lie behind taps and filters, (taps, filters, batch, height, width), so that a shift moves whole rows.

    Args:
        inputs: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels, filters), all known.

    Returns:
        (batch, height, width, filters).
    """
    tall, wide, channels, filters = kernel.shape
    batch, height, width, _ = keras.ops.shape(inputs)
    taps = [(y, x) for y in range(tall) for x in range(wide)]
    above, left = (tall - 1) // 2, (wide - 1) // 2
    below, right = tall - 1 - above, wide - 1 - left

    @tf.custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        pixels = tf.reshape(inputs, (-1, channels))  # [N * H * W, C]
        rows = tf.reshape(tf.transpose(kernel, (0, 1, 3, 2)), (tall * wide * filters, channels))
        products = tf.reshape(tf.matmul(rows, pixels, transpose_b=True), (len(taps), filters, batch, height, width))
        # Single products are rounded already; their sum shall not be, tap by tap.
        wider = tf.cast(products, tf.float32) if inputs.dtype.size < 4 else products
        padded = tf.pad(wider, [(0, 0), (0, 0), (0, 0), (above, below), (left, right)])
        shifted = [padded[tap, :, :, y : y + height, x : x + width] for tap, (y, x) in enumerate(taps)]
        outputs = tf.transpose(tf.cast(tf.add_n(shifted), inputs.dtype), (1, 2, 3, 0))  # [N, H, W, F]

        def gradient(outputs_gradient: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            maps = tf.transpose(outputs_gradient, (3, 0, 1, 2))  # [F, N, H, W]
            padded = tf.pad(maps, [(0, 0), (0, 0), (below, above), (right, left)])
            shifted = [
                padded[:, :, tall - 1 - y : tall - 1 - y + height, wide - 1 - x : wide - 1 - x + width] for y, x in taps
            ]
            seen = tf.reshape(tf.stack(shifted), (len(taps) * filters, -1))  # [taps * F, N * H * W]
            of_inputs = tf.reshape(tf.matmul(seen, rows, transpose_a=True), tf.shape(inputs))
            of_rows = tf.reshape(tf.matmul(seen, pixels), (tall, wide, filters, channels))
            return of_inputs, tf.transpose(of_rows, (0, 1, 3, 2))

        return outputs, gradient

    return convolve(inputs, kernel)
