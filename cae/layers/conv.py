"""Convolution, also to few filters."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.forms import has_few_filters, pixels_at_once
from cae.layers.bias import add_bias


@keras.saving.register_keras_serializable(package="cae")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, computed in other forms where there are few filters.

    The last convolution of a decoder gives one or three channels of full-size pictures. On a CPU such a convolution
    takes nearly as long as one to sixteen filters, since each vector of numbers holds one or three. With SAME padding
    and strides of 1 the layer has several pixels computed at once, and the gradient of its kernel the other way round
    (see `convolve_to_few_filters`): forward and backward in 0.4 to 0.65 of the time.

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
        if not (self._is_plain and has_few_filters(kernel.shape, on_gpu=on_gpu)):
            return super().call(inputs)
        outputs = convolve_to_few_filters(
            inputs, kernel, side=pixels_at_once(kernel.shape, inputs.shape[1:3], self.compute_dtype)
        )
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


def convolve_to_few_filters(inputs: tf.Tensor, kernel: tf.Tensor, side: int) -> tf.Tensor:
    """Convolve with SAME padding and strides of 1 to few filters.

    Going forward, squares of `side` by `side` output pixels are computed at once: as one pixel of a convolution with
    strides `side`, whose filters are the kernel's, moved to each place in the square.

    Going back, the gradient of the kernel is that of the mirrored convolution, which leads from the few channels to the
    many: as sums over all pixels of one map's value times the other's the two are the same numbers, but libraries fill
    their vectors with output channels.

    Args:
        inputs: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels, filters), all known.
        side: pixels computed at once, in either direction; above 1 one of `cae.forms.pixels_at_once`.

    Returns:
        (batch, height, width, filters).
    """

    @tf.custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_inputs = tf.nn.conv2d_transpose(above, kernel, tf.shape(inputs), 1, "SAME")
            return of_inputs, _kernel_gradient(inputs, above, kernel.shape)

        if side == 1:
            return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient
        _, height, width, _ = keras.ops.shape(inputs)
        squares = tf.nn.conv2d(inputs, _moved(kernel, side), side, "SAME")  # [N, ceil(H / side), ..., side^2 * F]
        return tf.nn.depth_to_space(squares, side)[:, :height, :width], gradient

    return convolve(inputs, kernel)


def _moved(kernel: tf.Tensor, side: int) -> tf.Tensor:
    """The kernel at each place in a square: (height + side - 1, width + side - 1, channels, side^2 * filters)."""
    places = [(down, right) for down in range(side) for right in range(side)]
    last = side - 1
    moved = [tf.pad(kernel, [(y, last - y), (x, last - x), (0, 0), (0, 0)]) for y, x in places]
    return tf.concat(moved, axis=-1)


def _kernel_gradient(inputs: tf.Tensor, above: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The gradient of a kernel of this shape, as the mirrored convolution's."""
    tall, wide, channels, filters = shape
    if tall % 2 == 0 or wide % 2 == 0:  # SAME padding is mirrored only where it is as wide on either side
        return tf.raw_ops.Conv2DBackpropFilter(
            input=inputs, filter_sizes=shape, out_backprop=above, strides=[1, 1, 1, 1], padding="SAME"
        )
    mirrored = tf.raw_ops.Conv2DBackpropFilter(
        input=above,
        filter_sizes=(tall, wide, filters, channels),
        out_backprop=inputs,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )
    return tf.transpose(mirrored[::-1, ::-1], (0, 1, 3, 2))
