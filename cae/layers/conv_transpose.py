"""Transposed convolution to an exact size."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.bias import add_bias
from cae.layers.crop import Size, height_and_width, restored_size

Shape = tuple[int | None, ...]

# What this layer decides itself, and what its configuration therefore leaves out.
_FIXED = {
    "padding": "same",
    "output_padding": None,
    "data_format": "channels_last",
    "dilation_rate": 1,
}


@keras.saving.register_keras_serializable(package="cae")
class Conv2DTransposeToSize(keras.layers.Conv2DTranspose):
    """A transposed convolution that restores an exact size.

    It is the transpose of the SAME convolution with the same kernel and strides on images of `output_size`,
    odd sizes included: <convolution(image), latent> = <image, transposed(latent)>. Where `output_size` is
    `strides` times the input's it is `keras.layers.Conv2DTranspose`. Any kernel goes with any strides, but a
    kernel that is not a multiple of the strides overlaps unevenly (checkerboard artefacts), and a smaller one
    leaves gaps.

    Example:
    >>> import numpy as np
    >>> latent = np.zeros((1, 4, 4, 8), "float32")
    >>> Conv2DTransposeToSize(3, kernel_size=4, output_size=(7, 8))(latent).shape
    TensorShape([1, 7, 8, 3])

    Args:
        filters: Number of output channels.
        kernel_size: Side of the kernel in pixels, or (height, width).
        strides: How many times higher and wider, or (height, width).
        output_size: Height and width to restore; divided by `strides` and rounded up they must be the
            input's. None stands for `strides` times the input's.
        **kwargs: `activation`, `use_bias`, initializers, regularizers, constraints, `name`, `dtype`: as for
            `keras.layers.Conv2DTranspose`.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, filters).

    Raises:
        ValueError: When an argument is out of range, or when `output_size` does not fit the input.
        TypeError: When `padding`, `output_padding`, `dilation_rate` or `data_format` are given: this layer
            decides them.

    Reference:
        Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning", section 4.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Size,
        strides: int | Size = 2,
        output_size: Size | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, strides, **_FIXED, **kwargs)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged features."""
        shape = self.compute_output_shape(keras.ops.shape(inputs))
        # The operation itself is the gradient of a convolution and takes the exact size; cropping afterwards
        # would be off by a pixel where the convolution's padding is uneven.
        outputs = tf.nn.conv2d_transpose(inputs, self.kernel, shape, self.strides, padding="SAME")
        if self.use_bias:
            outputs = add_bias(outputs, self.bias)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged features."""
        batch, height, width, _ = input_shape
        return (batch, *restored_size((height, width), self.strides, self.output_size), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {key: value for key, value in super().get_config().items() if key not in _FIXED}
        return {**config, "output_size": self.output_size}
