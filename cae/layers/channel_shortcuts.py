"""Shortcuts without weights past what makes a picture smaller or larger."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.sub_pixels import SpaceToDepth2D
from cae.layers.windows import Size, height_and_width, whole_number

Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class SpaceToChannelMean2D(SpaceToDepth2D):
    """Lays squares of pixels out as channels, and takes the means of groups of them.

    The channels are ordered by the image's channels first (all pixels of the first one, then of the second), so that
    a group has pixels of as few channels as can be. Squares are counted from the top left; the last row and column are
    repeated where they do not fill the picture.

    Example:
    >>> import numpy as np
    >>> picture = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")[None, :, :, None]
    >>> np.array(SpaceToChannelMean2D(2, filters=2)(picture))[0, 0, 0].tolist()
    [1.5, 4.5]

    Args:
        factor: side of the square, at least 2.
        filters: channels to make; must divide factor^2 times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels).

    Output shape:
        (batch, height / factor, width / factor, filters), rounded up.

    Raises:
        ValueError: when an argument is out of range, or `filters` does not divide the channels.

    Reference:
        Chen et al. 2024, "Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models", section 3.2.
    """

    def __init__(self, factor: int = 2, filters: int = 1, **kwargs: Any) -> None:
        super().__init__(factor, **kwargs)
        self.filters = whole_number("filters", filters, least=1)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the means."""
        self.compute_output_shape(inputs.shape)
        squares, channels = super().call(inputs), inputs.shape[3]
        _, height, width, _ = keras.ops.shape(squares)
        by_pixel = tf.reshape(squares, (-1, height, width, self.factor**2, channels))
        by_channel = tf.transpose(by_pixel, (0, 1, 2, 4, 3))
        return tf.reduce_mean(tf.reshape(by_channel, (-1, height, width, self.filters, self._group(channels))), axis=4)

    def _group(self, channels: int) -> int:
        if channels * self.factor**2 % self.filters:
            raise ValueError(
                f"`filters` must divide factor^2 = {self.factor**2} times the input's channels. Received:"
                f" filters={self.filters}, channels={channels}."
            )
        return channels * self.factor**2 // self.filters

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the means."""
        if input_shape[3] is not None:
            self._group(input_shape[3])
        return (*super().compute_output_shape(input_shape)[:3], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable(package="cae")
class DuplicateToSpace2D(keras.layers.Layer):
    """Repeats channels and lays them out as squares of pixels: the way back of `SpaceToChannelMean2D`.

    What is too much for `output_size` is cut off at the bottom and right.

    Example:
    >>> import numpy as np
    >>> pixel = np.array([1.0, 2.0], "float32").reshape(1, 1, 1, 2)
    >>> np.array(DuplicateToSpace2D(2, filters=1)(pixel))[0, :, :, 0].tolist()
    [[1.0, 1.0], [2.0, 2.0]]

    Args:
        factor: how many times higher and wider, at least 2.
        filters: channels to make; factor^2 times as many must be a multiple of the input's.
        output_size: height and width to restore; None stands for `factor` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, filters).

    Raises:
        ValueError: when an argument is out of range, or the input's channels do not divide factor^2 * filters.

    Reference:
        Chen et al. 2024, "Deep Compression Autoencoder for Efficient High-Resolution Diffusion Models", section 3.2.
    """

    def __init__(self, factor: int = 2, filters: int = 1, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.filters = whole_number("filters", filters, least=1)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the larger picture."""
        repeats = self._repeats(inputs.shape[3])
        _, height, width, _ = keras.ops.shape(inputs)
        repeated = tf.repeat(inputs, repeats, axis=3)  # pixels of the first channel, then of the second
        by_channel = tf.reshape(repeated, (-1, height, width, self.filters, self.factor**2))
        by_pixel = tf.transpose(by_channel, (0, 1, 2, 4, 3))
        squares = tf.reshape(by_pixel, (-1, height, width, self.filters * self.factor**2))
        pixels = tf.nn.depth_to_space(squares, self.factor)
        return pixels if self.output_size is None else pixels[:, : self.output_size[0], : self.output_size[1]]

    def _repeats(self, channels: int) -> int:
        if self.filters * self.factor**2 % channels:
            raise ValueError(
                f"factor^2 = {self.factor**2} times `filters` must be a multiple of the input's channels. Received:"
                f" filters={self.filters}, channels={channels}."
            )
        return self.filters * self.factor**2 // channels

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the larger picture."""
        batch, height, width, channels = input_shape
        if channels is not None:
            self._repeats(channels)
        size = self.output_size or tuple(side and side * self.factor for side in (height, width))
        return (batch, *size, self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        own = {"factor": self.factor, "filters": self.filters, "output_size": self.output_size}
        return {**super().get_config(), **own}
