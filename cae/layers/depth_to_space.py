"""Channels to pixels."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import Size, channels_after_opening, crop, height_and_width, restored_size, whole_number

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class DepthToSpace2D(keras.layers.Layer):
    """Lays each pixel's channels out as a square of `factor` by `factor` pixels, then crops.

    As `tf.nn.depth_to_space`: output pixel (factor * i + r, factor * j + s) has the channels of input pixel
    (i, j) from number (factor * r + s) * output channels onwards. After a convolution this is the sub-pixel
    convolution; start that convolution with `ICNRInitializer`. What is too much for `output_size` is cut off:
    half of it, rounded down, from the top and left, or with `crops_end` all of it at the bottom and right.

    Example:
    >>> import numpy as np
    >>> pixel = np.array([1.0, 2.0, 3.0, 4.0], "float32").reshape(1, 1, 1, 4)
    >>> np.array(DepthToSpace2D()(pixel))[0, :, :, 0].tolist()
    [[1.0, 2.0], [3.0, 4.0]]

    Args:
        factor: How many times higher and wider, at least 2.
        output_size: Height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        crops_end: Whether the squares are those of `SpaceToDepth2D`, counted from the top left.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels * factor^2).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: When an argument is out of range, when factor^2 does not divide the input's channels, or
            when `output_size` does not fit the input.

    Reference:
        Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
        Convolutional Neural Network", section 3.2.
    """

    def __init__(
        self, factor: int = 2, output_size: Size | None = None, crops_end: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.crops_end = crops_end
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the images."""
        self.compute_output_shape(inputs.shape)
        pixels = tf.nn.depth_to_space(inputs, self.factor)
        if self.crops_end and self.output_size is not None:
            return pixels[:, : self.output_size[0], : self.output_size[1]]
        return crop(pixels, self.output_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the images."""
        batch, height, width, _ = input_shape
        channels = channels_after_opening(input_shape, self.factor)
        factors = (self.factor, self.factor)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"factor": self.factor, "output_size": self.output_size, "crops_end": self.crops_end}
        return {**super().get_config(), **own}
