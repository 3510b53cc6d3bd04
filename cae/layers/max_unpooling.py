"""Unpooling: values back to where their maxima were."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import Size, height_and_width, restored_size, whole_number
from cae.layers.switches import unpool

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class MaxUnpooling2D(keras.layers.Layer):
    """Puts each value where its maximum was, zeros everywhere else.

    Undoes `MaxPooling2DWithSwitches` of the same `pool_size`: with `output_size` the height and width that
    were pooled, every value returns to the very pixel its switch was recorded at. A value's gradient is the
    one at that pixel. The switches have no gradient. A switch that points outside of the output, as only
    foreign ones do, drops its value.

    Example:
    >>> import numpy as np
    >>> values = np.array([[7.0, 5.0]], "float32").reshape(1, 1, 2, 1)
    >>> switches = np.array([[2, 0]], "uint8").reshape(1, 1, 2, 1)
    >>> image = MaxUnpooling2D(output_size=(2, 3))((values, switches))
    >>> np.array(image)[0, :, :, 0].tolist()
    [[0.0, 0.0, 5.0], [7.0, 0.0, 0.0]]

    Args:
        pool_size: Side of the square windows in pixels, 2 to 16.
        output_size: Height and width to restore; divided by `pool_size` and rounded up they must be the
            input's. None stands for `pool_size` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: A pair of values and switches, each of shape (batch, height, width, channels). The switches
            are integers.

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: When an argument is out of range, when values and switches differ in shape, when the
            switches are not integers, or when `output_size` does not fit the input.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """

    def __init__(self, pool_size: int = 2, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        self.output_size = height_and_width(output_size)
        self.input_spec = [keras.layers.InputSpec(ndim=4), keras.layers.InputSpec(ndim=4)]

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image that has the values at their switches."""
        values, switches = inputs
        self.compute_output_shape((values.shape, switches.shape))
        if not switches.dtype.is_integer:
            raise ValueError(f"`switches` must be integers. Received: dtype={switches.dtype.name}.")
        return unpool(values, tf.cast(switches, tf.uint8), self.pool_size, self.output_size)

    def compute_output_shape(self, input_shape: tuple[Shape, Shape]) -> Shape:
        """Return the shape of the image."""
        values, switches = (tuple(shape) for shape in input_shape)
        if any(None not in pair and pair[0] != pair[1] for pair in zip(values, switches, strict=True)):
            raise ValueError(f"Values and switches must have one shape. Received: {values} and {switches}.")
        batch, height, width, channels = values
        factors = (self.pool_size, self.pool_size)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size, "output_size": self.output_size}
