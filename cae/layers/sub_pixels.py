"""Channels to pixels and back, as layers, as shortcuts, and as a start without checkerboard artefacts."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.windows import Size, channels_after_opening, crop, height_and_width, restored_size, whole_number

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
        factor: how many times higher and wider, at least 2.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        crops_end: whether the squares are those of `SpaceToDepth2D`, counted from the top left.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels * factor^2).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, when factor^2 does not divide the input's channels, or
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
        factor: side of the square, at least 2.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels).

    Output shape:
        (batch, height / factor, width / factor, channels * factor^2), rounded up.

    Raises:
        ValueError: when `factor` is out of range.
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


@keras.saving.register_keras_serializable(package="cae")
class ICNRInitializer(keras.initializers.Initializer):
    """Starts a sub-pixel convolution as a nearest-neighbour resize of a smaller convolution.

    Draws the kernel of a convolution with factor^2 times fewer filters and repeats it, so that all factor^2
    pixels into which `DepthToSpace2D(factor)` turns one pixel start out equal.

    Example:
    >>> import numpy as np
    >>> kernel = ICNRInitializer(2, keras.initializers.GlorotUniform(seed=1))((3, 3, 5, 8))
    >>> all(np.array_equal(kernel[..., i : i + 2], kernel[..., :2]) for i in (2, 4, 6))
    True

    Args:
        factor: the factor of the `DepthToSpace2D` that follows, at least 2.
        initializer: what draws the smaller kernel: an initializer of Keras or its name.

    Raises:
        ValueError: when an argument is out of range, or when factor^2 does not divide the filters.

    Reference:
        Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", section 3.
    """

    def __init__(self, factor: int = 2, initializer: str | keras.initializers.Initializer = "glorot_uniform") -> None:
        self.factor = whole_number("factor", factor, least=2)
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        """Return a kernel of `shape`, (kernel height, kernel width, input channels, filters)."""
        *others, filters = shape
        if filters % self.factor**2:
            raise ValueError(
                f"The filters must be a multiple of factor^2 = {self.factor**2}. Received: shape={tuple(shape)}."
            )
        kernel = self.initializer((*others, filters // self.factor**2), dtype=dtype)
        return tf.concat([kernel] * self.factor**2, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"factor": self.factor, "initializer": keras.initializers.serialize(self.initializer)}


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
