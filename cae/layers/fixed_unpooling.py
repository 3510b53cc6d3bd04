"""Unpooling without switches."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.windows import Size, height_and_width, restored_size, whole_number

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class FixedUnpooling2D(keras.layers.Layer):
    """Puts each value at the top-left of its window, zeros everywhere else.

    Unpooling for a decoder that knows no switches: value (i, j) goes to pixel (pool_size * i, pool_size * j).
    What is too much for `output_size` is cut from the bottom and the right only, so no value is ever lost.

    Example:
    >>> import numpy as np
    >>> values = np.array([[7.0, 5.0]], "float32").reshape(1, 1, 2, 1)
    >>> np.array(FixedUnpooling2D(output_size=(2, 3))(values))[0, :, :, 0].tolist()
    [[7.0, 0.0, 5.0], [0.0, 0.0, 0.0]]

    Args:
        pool_size: side of the square windows in pixels, at least 2.
        output_size: height and width to restore; divided by `pool_size` and rounded up they must be the
            input's. None stands for `pool_size` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: values of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, or when `output_size` does not fit the input.

    Reference:
        Dosovitskiy et al. 2015, "Learning to Generate Chairs with Convolutional Neural Networks": its
        unpooling.
    """

    def __init__(self, pool_size: int = 2, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = whole_number("pool_size", pool_size, least=2)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the image that has the values at the corners of their windows."""
        self.compute_output_shape(inputs.shape)
        return spread(inputs, self.pool_size, self.output_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the image."""
        batch, height, width, channels = input_shape
        factors = (self.pool_size, self.pool_size)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size, "output_size": self.output_size}


def spread(values: tf.Tensor, pool_size: int, output_size: Size | None) -> tf.Tensor:
    """Return zeros, with each value at the top-left of its window."""
    batch, height, width, channels = keras.ops.shape(values)
    below, beside = pool_size - 1, (pool_size - 1) * channels
    rows = tf.reshape(values, (batch, height, 1, width, channels))
    windows = tf.pad(rows, [(0, 0), (0, 0), (0, below), (0, 0), (0, beside)])  # [N, H, P, W, P * C]
    image = tf.reshape(windows, (batch, height * pool_size, width * pool_size, channels))
    if output_size is None or tuple(image.shape[1:3]) == tuple(output_size):
        return image  # a slice of all would be copied, forwards and back
    return image[:, : output_size[0], : output_size[1]]
