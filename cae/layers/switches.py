"""Max pooling that records where the maxima were, unpooling by these switches or without, and gathering at them."""

from __future__ import annotations

from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from cae.layers.gradients import custom_gradient
from cae.layers.windows import (
    Size,
    cells,
    compiled,
    crop,
    height_and_width,
    pad_to_windows,
    restored_size,
    whole_number,
    wide,
)

# A switch of each channel's own, or one that all channels of a place share.
SwitchesOf = Literal["per_channel", "per_place"]


def max_pool(
    inputs: tf.Tensor, pool_size: int, rectify: bool = False, switches_of: SwitchesOf = "per_channel"
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return each window's maximum and its switch, both (batch, ceil(height / pool_size), ..., channels).

    With `rectify`, those of the rectified inputs. With `per_place` the switches have one channel: the position whose
    sum over channels is the largest.
    """
    size = keras.ops.shape(inputs)[1:3]

    @custom_gradient
    def pool(inputs: tf.Tensor) -> Any:
        kernel = compiled(_max_pool, inputs.shape, pool_size=pool_size, rectify=rectify, switches_of=switches_of)
        pooled, maxima_at, switches = kernel(inputs)

        def gradient(pooled_gradient: tf.Tensor, _: Any) -> tf.Tensor:
            if rectify:
                pooled_gradient = tf.raw_ops.ReluGrad(gradients=pooled_gradient, features=pooled)
            return unpool(pooled_gradient, maxima_at, pool_size, size)

        return (pooled, switches), gradient

    return pool(inputs)


def unpool(values: tf.Tensor, switches: tf.Tensor, pool_size: int, output_size: Size | None) -> tf.Tensor:
    """Return zeros but for each value, which stands in its window where its switch, or the shared one, says."""

    @custom_gradient
    def place(values: tf.Tensor) -> Any:
        kernel = compiled(_unpool, values.shape, pool_size=pool_size, num_switches=switches.shape[-1])
        windows = kernel(values, switches)

        def gradient(grid_gradient: tf.Tensor) -> tf.Tensor:
            return gather(grid_gradient, switches, pool_size)

        return crop(windows, output_size), gradient

    return place(values)


def gather(grid: tf.Tensor, switches: tf.Tensor, pool_size: int) -> tf.Tensor:
    """Return what stands in each window where its switch, or the shared one, says."""
    size = keras.ops.shape(grid)[1:3]

    @custom_gradient
    def pick(grid: tf.Tensor) -> Any:
        kernel = compiled(_gather, grid.shape, pool_size=pool_size, num_switches=switches.shape[-1])
        values = kernel(grid, switches)

        def gradient(values_gradient: tf.Tensor) -> tf.Tensor:
            return unpool(values_gradient, switches, pool_size, size)

        return values, gradient

    return pick(grid)


def _max_pool(
    inputs: tf.Tensor, pool_size: int, rectify: bool, switches_of: SwitchesOf
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The maxima, where each was, and the switches that are recorded."""
    comparable = wide(inputs)
    if rectify:
        comparable = tf.nn.relu(comparable)
    maxima, maxima_at = _first_maxima(comparable, pool_size)
    switches = maxima_at
    if switches_of == "per_place":
        _, switches = _first_maxima(tf.reduce_sum(comparable, axis=-1, keepdims=True), pool_size)
    return tf.cast(maxima, inputs.dtype), maxima_at, switches


def _first_maxima(grid: tf.Tensor, pool_size: int) -> tuple[tf.Tensor, tf.Tensor]:
    height, width = keras.ops.shape(grid)[1:3]
    # Padding is marked, not made -inf: it must not win even a window whose pixels all are -inf.
    candidates = cells(pad_to_windows(grid, pool_size), pool_size)
    real = [cell > 0 for cell in cells(pad_to_windows(tf.ones((1, height, width, 1)), pool_size), pool_size)]
    maximum, seen = candidates[0], real[0]  # [N, H/P, W/P, C] and [1, H/P, W/P, 1]
    positions = tf.zeros_like(maximum, tf.int32)  # LiteRT selects among int32, not among bytes
    for position in range(1, pool_size**2):
        # "Not at most" is also true of a NaN; once the maximum is NaN, it stays.
        greater = ~(candidates[position] <= maximum) & (maximum == maximum)
        wins = real[position] & (greater | ~seen)
        maximum = tf.where(wins, candidates[position], maximum)
        positions = tf.where(wins, position, positions)
        seen |= real[position]
    return maximum, tf.cast(positions, tf.uint8)


def _unpool(values: tf.Tensor, switches: tf.Tensor, pool_size: int, num_switches: int | None) -> tf.Tensor:
    batch, height, width, channels = keras.ops.shape(values)
    one_a_window = (batch * height, 1, width, 1)
    positions = tf.reshape(tf.range(pool_size**2), (1, pool_size, 1, pool_size, 1))
    windows = tf.where(  # [N * H, P, W, P, C]
        tf.reshape(tf.cast(switches, tf.int32), (*one_a_window, num_switches or channels)) == positions,
        tf.reshape(values, (*one_a_window, channels)),
        tf.zeros((), values.dtype),
    )
    return tf.reshape(windows, (batch, height * pool_size, width * pool_size, channels))


def _gather(grid: tf.Tensor, switches: tf.Tensor, pool_size: int, num_switches: int | None) -> tf.Tensor:
    del num_switches  # each number has a function of its own
    values = tf.zeros((*keras.ops.shape(switches)[:3], keras.ops.shape(grid)[3]), grid.dtype)
    for position, cell in enumerate(cells(pad_to_windows(grid, pool_size), pool_size)):
        values = tf.where(switches == position, cell, values)
    return values


Shape = tuple[int | None, ...]


def checked_switches(switches: SwitchesOf) -> SwitchesOf:
    """Return the argument `switches`, or say what it must be."""
    if switches not in get_args(SwitchesOf):
        raise ValueError(f"`switches` must be one of {get_args(SwitchesOf)}. Received: switches={switches!r}.")
    return switches


@keras.saving.register_keras_serializable(package="cae")
class MaxPooling2DWithSwitches(keras.layers.Layer):
    """Keeps each window's maximum, and records where it was.

    The pooled values are those of `keras.layers.MaxPooling2D(pool_size, padding="same")`. A switch is the
    position of the window's first maximum, counted row by row within the window; padding is never a maximum,
    and NaN counts as one (as in `numpy.argmax`). A pooled value's gradient goes to the cell where it was, ties
    included. With `switches="per_place"` all channels of a window share one switch, the first position whose sum
    over channels is the largest; the pooled values and their gradients stay the same.

    Example:
    >>> import numpy as np
    >>> image = np.array([[3.0, 1.0, 5.0], [7.0, 2.0, 5.0]], "float32").reshape(1, 2, 3, 1)
    >>> pooled, switches = MaxPooling2DWithSwitches()(image)
    >>> np.array(pooled)[0, :, :, 0].tolist(), np.array(switches)[0, :, :, 0].tolist()
    ([[7.0, 5.0]], [[2, 0]])

    Args:
        pool_size: side of the square windows in pixels, 2 to 16; also the step from window to window.
        switches: `per_channel` or `per_place`.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: floats of shape (batch, height, width, channels).

    Output shape:
        Two tensors of shape (batch, ceil(height / pool_size), ceil(width / pool_size), channels): the pooled
        values, and the switches as `uint8`; shared switches have one channel.

    Raises:
        ValueError: when `pool_size` is not a whole number from 2 to 16, or `switches` is another word.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """

    def __init__(self, pool_size: int = 2, switches: SwitchesOf = "per_channel", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A switch is stored as one byte, so a window has at most 256 cells.
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        self.switches = checked_switches(switches)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the pooled values and their switches."""
        return max_pool(inputs, self.pool_size, switches_of=self.switches)

    def compute_output_shape(self, input_shape: Shape) -> tuple[Shape, Shape]:
        """Return the shape of the pooled values and that of the switches."""
        batch, height, width, channels = input_shape
        height, width = (n if n is None else -(-n // self.pool_size) for n in (height, width))
        shape = (batch, height, width)
        return (*shape, channels), (*shape, channels if self.switches == "per_channel" else 1)

    def compute_output_spec(self, inputs: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Return shape and type of both outputs."""
        pooled, switches = self.compute_output_shape(inputs.shape)
        return keras.KerasTensor(pooled, self.compute_dtype), keras.KerasTensor(switches, "uint8")

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size, "switches": self.switches}


@keras.saving.register_keras_serializable(package="cae")
class MaxUnpooling2D(keras.layers.Layer):
    """Puts each value where its maximum was, zeros everywhere else.

    Undoes `MaxPooling2DWithSwitches` of the same `pool_size`: with `output_size` the height and width that
    were pooled, every value returns to the very pixel its switch was recorded at. A value's gradient is the
    one at that pixel. The switches have no gradient. A switch that points outside of the output, as only
    foreign ones do, drops its value.

    With `unpool="repeat"` each pixel of a window gets a share of its value besides: pixels are
    value * (1 at the switch, else 0) + share * value, with a share that each channel learns and that starts at zero.

    Example:
    >>> import numpy as np
    >>> values = np.array([[7.0, 5.0]], "float32").reshape(1, 1, 2, 1)
    >>> switches = np.array([[2, 0]], "uint8").reshape(1, 1, 2, 1)
    >>> image = MaxUnpooling2D(output_size=(2, 3))((values, switches))
    >>> np.array(image)[0, :, :, 0].tolist()
    [[0.0, 0.0, 5.0], [7.0, 0.0, 0.0]]

    Args:
        pool_size: side of the square windows in pixels, 2 to 16.
        output_size: height and width to restore; divided by `pool_size` and rounded up they must be the
            input's. None stands for `pool_size` times the input's.
        switches: `per_channel` or `per_place`, as they were recorded.
        unpool: `zeros` between the values, or `repeat` for a learned share of them.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: a pair of values and switches, each of shape (batch, height, width, channels). The switches
            are integers; shared ones have one channel.

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, when the switches do not have the values' shape (or one
            channel, when shared), when they are not integers, or when `output_size` does not fit the input.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """

    def __init__(
        self,
        pool_size: int = 2,
        output_size: Size | None = None,
        switches: SwitchesOf = "per_channel",
        unpool: Literal["zeros", "repeat"] = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        self.output_size = height_and_width(output_size)
        self.switches = checked_switches(switches)
        if unpool not in ("zeros", "repeat"):
            raise ValueError(f"`unpool` must be zeros or repeat. Received: unpool={unpool!r}.")
        self.unpool = unpool
        self.input_spec = [keras.layers.InputSpec(ndim=4), keras.layers.InputSpec(ndim=4)]

    def build(self, input_shape: tuple[Shape, Shape]) -> None:
        """Make the shares, where pixels get them."""
        if self.unpool == "repeat":
            self.share = self.add_weight(shape=(input_shape[0][-1],), initializer="zeros", name="share")

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image that has the values at their switches."""
        values, switches = inputs
        self.compute_output_shape((values.shape, switches.shape))
        if not switches.dtype.is_integer:
            raise ValueError(f"`switches` must be integers. Received: dtype={switches.dtype.name}.")
        image = unpool(values, tf.cast(switches, tf.uint8), self.pool_size, self.output_size)
        if self.unpool == "zeros":
            return image
        shares = values * tf.cast(self.share, values.dtype)
        for axis in (1, 2):
            shares = tf.repeat(shares, self.pool_size, axis=axis)
        return image + crop(shares, self.output_size)

    def top_left(self, shape: Shape) -> tf.Tensor:
        """Return switches that put values of this shape, with a batch size, to the top-left of their windows."""
        return tf.zeros((*shape[:3], shape[3] if self.switches == "per_channel" else 1), tf.uint8)

    def compute_output_shape(self, input_shape: tuple[Shape, Shape]) -> Shape:
        """Return the shape of the image."""
        values, switches = (tuple(shape) for shape in input_shape)
        wanted = values if self.switches == "per_channel" else (*values[:-1], 1)
        if any(None not in pair and pair[0] != pair[1] for pair in zip(wanted, switches, strict=True)):
            but = "" if self.switches == "per_channel" else " but for the channels, of which shared switches have one"
            raise ValueError(f"Values and switches must have one shape{but}. Received: {values} and {switches}.")
        batch, height, width, channels = values
        factors = (self.pool_size, self.pool_size)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("pool_size", "output_size", "switches", "unpool")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


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
