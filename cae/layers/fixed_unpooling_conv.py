"""Unpooling without switches and convolution in one layer."""

from __future__ import annotations

import keras
import tensorflow as tf

from cae.layers.enlarging_conv import EnlargingConv2D
from cae.layers.fixed_unpooling import spread


@keras.saving.register_keras_serializable(package="cae")
class FixedUnpoolingConv2D(EnlargingConv2D):
    """Puts each value at the top-left of its window, zeros everywhere else, then convolves.

    The same function, with the same kernel, as `FixedUnpooling2D(factor, output_size)` followed by
    `keras.layers.Conv2D(filters, kernel_size, padding="same")`, borders included. Convolving a map that is zero but at
    every `factor`-th pixel is what a transposed convolution does with the kernel turned round, without ever
    multiplying the zeros: where that is faster, it is computed so.

    Example:
    >>> import numpy as np
    >>> features = np.zeros((1, 4, 4, 8), "float32")
    >>> FixedUnpoolingConv2D(3, kernel_size=3, output_size=(7, 8))(features).shape
    TensorShape([1, 7, 8, 3])

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel in pixels.
        factor: Side of the windows in pixels, at least 2.
        output_size: Height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        folded: True and False force or forbid the transposed convolution; None chooses the faster form for the
            device and the float type (see `cae.forms`).
        **kwargs: `activation`, `use_bias`, initializers, regularizers, constraints, `name`, `dtype`: as for
            `keras.layers.Conv2D`.

    Call arguments:
        inputs: Values of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, filters).

    Raises:
        ValueError: When an argument is out of range, or when `output_size` does not fit the input.
        TypeError: When `strides`, `padding`, `dilation_rate`, `groups` or `data_format` are given: this layer
            decides them.

    Reference:
        Dosovitskiy et al. 2015, "Learning to Generate Chairs with Convolutional Neural Networks": its unpooling.
        Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4: transposed
        convolution as convolution of an input with zeros between its values.
    """

    enlarging = "fixed_unpool"

    def enlarge(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the map that has the values at the corners of their windows."""
        return spread(inputs, self.factor, self.output_size)

    def fold(self, kernel: tf.Tensor) -> tf.Tensor:
        """Return the kernel of the transposed convolution that does both."""
        return tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
