"""Pixels to channels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import whole_number

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class SpaceToDepth2D(keras.layers.Layer):
    """Lays each square of `factor` by `factor` pixels out as the channels of one pixel.

    As `tf.nn.space_to_depth`: rows, then columns, then channels. Squares are counted from the top left. Where they do
    not fill the picture, its last row and column are repeated. `DepthToSpace2D` with `crops_end` is the way back.

    Example:
    >>> import numpy as np
    >>> picture = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], "float32")[None, :, :, None]
    >>> np.array(SpaceToDepth2D()(picture))[0].tolist()
    [[[1.0, 2.0, 4.0, 5.0], [3.0, 3.0, 6.0, 6.0]]]

    Args:
        factor: Side of the square, at least 2.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels).

    Output shape:
        (batch, height / factor, width / factor, channels * factor^2), rounded up.

    Raises:
        ValueError: When `factor` is out of range.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the squares."""
        for axis in (1, 2):
            inputs = self._fill_up(inputs, axis)
        return tf.nn.space_to_depth(inputs, self.factor)

    def _fill_up(self, inputs: tf.Tensor, axis: int) -> tf.Tensor:
        """Repeat the last row (axis 1) or column (axis 2) until the side is a multiple of the factor."""
        side = keras.ops.shape(inputs)[axis]
        if isinstance(side, int) and side % self.factor == 0:
            return inputs
        # By numbers of pixels: other programs know no padding that repeats the border.
        pixels = tf.minimum(tf.range(-(-side // self.factor) * self.factor), side - 1)
        return tf.gather(inputs, pixels, axis=axis)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the squares."""
        batch, *sides, channels = input_shape
        height, width = (side if side is None else -(-side // self.factor) for side in sides)
        return (batch, height, width, channels if channels is None else channels * self.factor**2)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor}
