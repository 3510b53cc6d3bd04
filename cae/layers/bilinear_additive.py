"""Bilinear additive upsampling."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.resize import resize
from cae.layers.windows import Size, channels_after_opening, height_and_width, restored_size, whole_number

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class BilinearAdditive2D(keras.layers.Layer):
    """Enlarges images bilinearly by a whole factor and sums each factor^2 consecutive channels.

    An image keeps its number of values, as in sub-pixel upsampling, but without learnt weights and without
    checkerboard artefacts. The channels are summed first, which gives the same result with factor^2 times
    less work. What is too much for `output_size` is cut off: half of it, rounded down, from the top and left.

    Example:
    >>> import numpy as np
    >>> row = np.array([[1.0, 0, 0, -1], [1, 1, 1, 1]], "float32").reshape(1, 1, 2, 4)
    >>> np.array(BilinearAdditive2D(output_size=(1, 4))(row)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]

    Args:
        factor: how many times higher and wider, at least 2.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels * factor^2).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, when factor^2 does not divide the input's channels, or
            when `output_size` does not fit the input.

    Reference:
        Wojna et al. 2017, "The Devil is in the Decoder", section on bilinear
        additive upsampling.
    """

    def __init__(self, factor: int = 2, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged images."""
        channels = self.compute_output_shape(inputs.shape)[-1]
        batch, height, width, _ = keras.ops.shape(inputs)
        summed = tf.reduce_sum(tf.reshape(inputs, (batch, height, width, channels, self.factor**2)), axis=-1)
        return resize(summed, self.factor, "bilinear", self.output_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged images."""
        batch, height, width, _ = input_shape
        channels = channels_after_opening(input_shape, self.factor)
        factors = (self.factor, self.factor)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor, "output_size": self.output_size}
