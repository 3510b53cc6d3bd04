"""Dynamic sampling: a new pixel is read between the old ones, at a place that the map itself gives."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cae.layers.windows import Size, crop, height_and_width, neighbours, restored_size, whole_number


@keras.saving.register_keras_serializable(package="cae")
class DySample2D(keras.layers.Layer):
    """Enlarges maps by a whole factor, reading each new pixel bilinearly at a predicted place, then crops.

    Output pixel (factor * i + r, factor * j + s) is read at row i + (r + 0.5) / factor - 0.5 + offset, and at such a
    column, where bilinear resizing reads it without the offset. A 1x1 convolution predicts both offsets for each
    new pixel and group of channels. It starts near zero and is scaled by a quarter, or with `dynamic_scope` by half of
    a second convolution's sigmoid, which starts at a quarter. Past the borders the last row or column goes on.

    The published code lets a pixel be read anywhere. Here it is read at most one row and one column away from
    input pixel (i, j), so that nine weights for each pixel, which sum to one, are all that is needed: no gather,
    whose gradient has no fixed order of sums.

    What is too much for `output_size` is cut off: half of it, rounded down, from the top and left.

    Example:
    >>> import numpy as np
    >>> layer = DySample2D(2)
    >>> layer.build((None, 1, 2, 1))
    >>> layer.set_weights([np.zeros((1, 1, 1, 8)), np.zeros(8)])
    >>> np.array(layer(np.array([[0.0, 1.0]]).reshape(1, 1, 2, 1)))[0, 0, :, 0].tolist()
    [0.0, 0.25, 0.75, 1.0]

    Args:
        factor: how many times higher and wider, at least 2.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        groups: of channels, each with offsets of its own; must divide the channels.
        dynamic_scope: whether how far offsets reach is predicted, too.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: maps of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, when `groups` does not divide the channels, or when
            `output_size` does not fit the input.

    Reference:
        Liu et al. 2023, "Learning to Upsample by Learning to Sample", section 3 ("linear + pixel shuffle").
    """

    def __init__(
        self,
        factor: int = 2,
        output_size: Size | None = None,
        groups: int = 1,
        dynamic_scope: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.groups = whole_number("groups", groups, least=1)
        self.dynamic_scope = dynamic_scope
        self.input_spec = keras.layers.InputSpec(ndim=4)
        offsets, start = 2 * self.groups * self.factor**2, keras.initializers.RandomNormal(stddev=0.001)
        options = {"dtype": self.dtype_policy}
        self.offset = keras.layers.Conv2D(offsets, 1, kernel_initializer=start, name="offset", **options)
        if dynamic_scope:
            zero = {"use_bias": False, "kernel_initializer": "zeros"}
            self.scope = keras.layers.Conv2D(offsets, 1, name="scope", **zero, **options)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of what predicts."""
        channels = input_shape[3]
        if channels is not None and channels % self.groups:
            raise ValueError(f"`groups` must divide the channels. Received: groups={self.groups}, channels={channels}.")
        self.offset.build(input_shape)
        if self.dynamic_scope:
            self.scope.build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Return the enlarged maps."""
        self.compute_output_shape(inputs.shape)
        ops, factor, groups = keras.ops, self.factor, self.groups
        _, height, width, channels = ops.shape(inputs)
        scope = 0.5 * ops.sigmoid(self.scope(inputs)) if self.dynamic_scope else 0.25
        rows, columns = ops.split(self.offset(inputs) * scope, 2, axis=3)  # [N, H, W, groups * factor^2]
        phase = (np.arange(factor) + 0.5) / factor - 0.5
        row_weights = _tents(rows + ops.cast(np.tile(np.repeat(phase, factor), groups), rows.dtype))
        column_weights = _tents(columns + ops.cast(np.tile(phase, groups * factor), rows.dtype))
        weights = ops.stack([row * column for row in row_weights for column in column_weights], axis=4)
        padded = _repeat_border(_repeat_border(inputs, 1), 2)
        by_group = ops.reshape(neighbours(padded, 3), (-1, 9, groups, channels // groups))
        values = ops.reshape(ops.transpose(by_group, (0, 2, 1, 3)), (-1, 9, channels // groups))
        pixels = ops.matmul(ops.reshape(weights, (-1, factor**2, 9)), values)  # of each place and group
        together = ops.transpose(ops.reshape(pixels, (-1, groups, factor**2, channels // groups)), (0, 2, 1, 3))
        squares = ops.reshape(together, (-1, height, width, factor, factor, channels))
        image = ops.transpose(squares, (0, 1, 3, 2, 4, 5))
        return crop(ops.reshape(image, (-1, height * factor, width * factor, channels)), self.output_size)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the enlarged maps."""
        batch, height, width, channels = input_shape
        return (batch, *restored_size((height, width), (self.factor, self.factor), self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("factor", "output_size", "groups", "dynamic_scope")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _tents(position: Any) -> list[Any]:
    """Bilinear weights of the values at -1, 0 and 1 for one read at `position`."""
    position = keras.ops.clip(position, -1.0, 1.0)
    return [keras.ops.relu(1.0 - keras.ops.abs(position - place)) for place in (-1.0, 0.0, 1.0)]


def _repeat_border(maps: Any, axis: int) -> Any:
    """Add the first row (axis 1) or column (axis 2) before, and the last behind; exports know no such padding."""
    first, last = (maps[:, :1], maps[:, -1:]) if axis == 1 else (maps[:, :, :1], maps[:, :, -1:])
    return keras.ops.concatenate([first, maps, last], axis=axis)
