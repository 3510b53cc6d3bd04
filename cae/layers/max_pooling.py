"""Max pooling that records where the maxima were."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import whole_number
from cae.layers.switches import max_pool

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class MaxPooling2DWithSwitches(keras.layers.Layer):
    """Keeps each window's maximum, and records where it was.

    The pooled values are those of `keras.layers.MaxPooling2D(pool_size, padding="same")`. A switch is the
    position of the window's first maximum, counted row by row within the window; padding is never a maximum,
    and NaN counts as one (as in `numpy.argmax`). A pooled value's gradient goes to the cell that its switch
    names, ties included.

    Example:
    >>> import numpy as np
    >>> image = np.array([[3.0, 1.0, 5.0], [7.0, 2.0, 5.0]], "float32").reshape(1, 2, 3, 1)
    >>> pooled, switches = MaxPooling2DWithSwitches()(image)
    >>> np.array(pooled)[0, :, :, 0].tolist(), np.array(switches)[0, :, :, 0].tolist()
    ([[7.0, 5.0]], [[2, 0]])

    Args:
        pool_size: Side of the square windows in pixels, 2 to 16; also the step from window to window.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: Floats of shape (batch, height, width, channels).

    Output shape:
        Two tensors of shape (batch, ceil(height / pool_size), ceil(width / pool_size), channels): the pooled
        values, and the switches as `uint8`.

    Raises:
        ValueError: When `pool_size` is not a whole number from 2 to 16.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """

    def __init__(self, pool_size: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A switch is stored as one byte, so a window has at most 256 cells.
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the pooled values and their switches."""
        return max_pool(inputs, self.pool_size)

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Return the shape of the pooled values and that of the switches."""
        batch, height, width, channels = input_shape
        height, width = (n if n is None else -(-n // self.pool_size) for n in (height, width))
        shape = (batch, height, width, channels)
        return shape, shape

    def compute_output_spec(self, inputs: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return shape and type of both outputs."""
        pooled, switches = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(pooled, self.compute_dtype), keras.KerasTensor(switches, "uint8")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size}
