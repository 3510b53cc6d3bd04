"""Learned indices: a window's shares of its value, predicted there, by which a map is pooled and enlarged again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Literal, get_args

import keras
import tensorflow as tf

from cae.layers.gradients import custom_gradient
from cae.layers.switches import Shape, SwitchesOf, checked_switches, spread
from cae.layers.windows import Size, compiled, crop, fill_windows, height_and_width, pad_to_windows, whole_number, wide

Indices = Literal["soft", "hard"]


@keras.saving.register_keras_serializable(package="cae")
class IndexedPooling2D(keras.layers.Layer):
    """Pools each window to the sum of its values times their indices, which are predicted from the window.

    A convolution with strides of `pool_size`, depthwise and without bias, gives each window x of a channel the scores
    s[k] = sum over j of kernel[j, k] x[j], one for each cell k. With `soft` the indices are their softmax, with `hard`
    they are one for the first cell of the largest score and zero for the others. The pooled value is the sum over k of
    indices[k] x[k]. With `per_place` all channels share indices: their scores are summed first. Cells past the borders
    have no index.

    The kernel starts as s = x (summed: the mean over channels). So `hard` starts as max pooling, to the bit, and `soft`
    as a mean weighted by a softmax. Hard indices have the gradient of the soft ones (straight through).

    The published code lets a sigmoid of the scores enlarge, and a softmax of that pool; it has deeper predictors, too.
    Here one softmax does both, of which max pooling and unpooling are the limit.

    Example:
    >>> import numpy as np
    >>> image = np.array([[3.0, 1.0, 5.0], [7.0, 2.0, 5.0]], "float32").reshape(1, 2, 3, 1)
    >>> pooled, indices = IndexedPooling2D(indices="hard")(image)
    >>> np.array(pooled)[0, :, :, 0].tolist(), np.array(indices)[0, :, :, 0].tolist()
    ([[7.0, 5.0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])

    Args:
        pool_size: side of the square windows in pixels, 2 to 16; also the step from window to window.
        indices: `soft` or `hard`.
        switches: `per_channel` or `per_place`: whether each channel has indices of its own.
        return_indices: whether the indices are given, too.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: floats of shape (batch, height, width, channels).

    Output shape:
        (batch, ceil(height / pool_size), ceil(width / pool_size), channels); and the indices, from 0 to 1, at the place
        of the pixel that each belongs to: (batch, height, width, channels), shared ones with one channel.

    Raises:
        ValueError: when `pool_size` is not a whole number from 2 to 16, or a word is another.

    Reference:
        Lu et al. 2019, "Indices Matter: Learning to Index for Deep Image Matting", section 4 (indexed pooling, and the
        linear "one-to-one depthwise" and holistic index networks).
    """

    def __init__(
        self,
        pool_size: int = 2,
        indices: Indices = "soft",
        switches: SwitchesOf = "per_channel",
        return_indices: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        if indices not in get_args(Indices):
            raise ValueError(f"`indices` must be one of {get_args(Indices)}. Received: indices={indices!r}.")
        self.indices = indices
        self.switches = checked_switches(switches)
        self.return_indices = return_indices
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: Shape) -> None:
        """Make the kernel, laid out as that of a depthwise convolution."""
        side, channels = self.pool_size, input_shape[3]
        self.kernel = self.add_weight(shape=(side, side, channels, side**2), initializer=self._start, name="kernel")

    def _start(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        side, _, channels, num_cells = shape
        own = tf.reshape(tf.eye(num_cells, dtype=dtype), (side, side, 1, num_cells))
        return tf.repeat(own, channels, axis=2) / (channels if self.switches == "per_place" else 1)

    def call(self, inputs: tf.Tensor) -> Any:
        """Return the pooled values, and their indices where these are wanted."""
        return self.find(inputs) if self.return_indices else self.find(inputs)[0]

    def find(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the pooled values, and their indices."""
        options = {"pool_size": self.pool_size, "is_hard": self.indices == "hard", "switches_of": self.switches}
        return _with_gradient(_pool, _pool_gradient, inputs, self.kernel, **options)

    def score(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the score of each pixel, of which hard indices choose the largest: of the indices' shape."""
        scores = _scores(inputs, tf.cast(self.kernel, inputs.dtype), self.pool_size, self.switches)
        return _as_map(scores, len(inputs), inputs.shape[1:3])

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the shape of the pooled values, and that of the indices where these are wanted."""
        batch, height, width, channels = input_shape
        pooled = (batch, *(n if n is None else -(-n // self.pool_size) for n in (height, width)), channels)
        shared = (batch, height, width, channels if self.switches == "per_channel" else 1)
        return (pooled, shared) if self.return_indices else pooled

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("pool_size", "indices", "switches", "return_indices")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="cae")
class IndexedUnpooling2D(keras.layers.Layer):
    """Gives each pixel of a window the window's value times the pixel's index.

    With indices that are one at the maximum and zero elsewhere, this is max unpooling.

    Example:
    >>> import numpy as np
    >>> values = np.array([[8.0, 5.0]], "float32").reshape(1, 1, 2, 1)
    >>> indices = np.array([[0.25, 0.25, 1.0], [0.5, 0.0, 0.0]], "float32").reshape(1, 2, 3, 1)
    >>> image = IndexedUnpooling2D(output_size=(2, 3))((values, indices))
    >>> np.array(image)[0, :, :, 0].tolist()
    [[2.0, 2.0, 5.0], [4.0, 0.0, 0.0]]

    Args:
        pool_size: side of the square windows in pixels, 2 to 16.
        output_size: height and width to restore, which must be the indices'; None takes these.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: a pair of values, (batch, height, width, channels), and indices, (batch, output height, output width,
            channels or 1).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, or when the indices do not fit values and `output_size`.

    Reference:
        Lu et al. 2019, "Indices Matter: Learning to Index for Deep Image Matting", section 4 (indexed upsampling).
    """

    def __init__(self, pool_size: int = 2, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = whole_number("pool_size", pool_size, least=2, most=16)
        self.output_size = height_and_width(output_size)
        self.input_spec = [keras.layers.InputSpec(ndim=4), keras.layers.InputSpec(ndim=4)]

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the enlarged maps."""
        values, indices = inputs
        self.compute_output_shape((values.shape, indices.shape))
        return _with_gradient(_unpool, _unpool_gradient, values, indices, pool_size=self.pool_size)

    def top_left(self, shape: Shape) -> tf.Tensor:
        """Return indices that put values of this shape, with a batch size, to the top-left of their windows."""
        return spread(tf.ones(shape, self.compute_dtype), self.pool_size, self.output_size)

    def compute_output_shape(self, input_shape: tuple[Shape, Shape]) -> Shape:
        """Return the shape of the enlarged maps."""
        values, indices = (tuple(shape) for shape in input_shape)
        small = [n if n is None else -(-n // self.pool_size) for n in indices[1:3]]
        sizes = [
            *zip(small, values[1:3], strict=True),
            *zip(indices[1:3], self.output_size or indices[1:3], strict=True),
        ]
        if any(None not in pair and pair[0] != pair[1] for pair in sizes) or indices[3] not in (1, values[3]):
            raise ValueError(
                "The indices must have the output's size, which divided by `pool_size` and rounded up is the values',"
                f" and their channels or one. Received: values {values}, indices {indices},"
                f" output_size={self.output_size}, pool_size={self.pool_size}."
            )
        return (*indices[:3], values[3])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "pool_size": self.pool_size, "output_size": self.output_size}


def window_sums(grid: tf.Tensor, pool_size: int) -> tf.Tensor:
    """Return the sum of each window, (batch, ceil(height / pool_size), ceil(width / pool_size), channels)."""
    return _sums(_windows(grid, pool_size), grid)


def _windows(grid: tf.Tensor, side: int) -> tf.Tensor:
    """Whole windows: [N * H/P, P, W/P, P, C]."""
    padded = pad_to_windows(grid, side)
    batch, height, width, channels = keras.ops.shape(padded)
    return tf.reshape(padded, (batch * (height // side), side, width // side, side, channels))


def _as_map(windows: tf.Tensor, batch: Any, size: Any) -> tf.Tensor:
    """Undo `_windows` of maps of a size."""
    _, side, width, _, channels = keras.ops.shape(windows)
    return crop(tf.reshape(windows, (batch, -(-size[0] // side) * side, width * side, channels)), size)


def _of_cells(windows: tf.Tensor) -> list[tf.Tensor]:
    """The first cell of every window, the second of every window and so on: [N * H/P, 1, W/P, 1, C] each."""
    side = windows.shape[1]
    return [windows[:, row : row + 1, :, column : column + 1] for row in range(side) for column in range(side)]


def _sums(windows: tf.Tensor, grid: tf.Tensor) -> tf.Tensor:
    """The sums of windows of a grid: [N, H/P, W/P, C]."""
    _, side, width, _, channels = keras.ops.shape(windows)
    batch, height = keras.ops.shape(grid)[:2]
    return tf.reshape(tf.add_n(_of_cells(windows)), (batch, -(-height // side), width, channels))


def _scores(inputs: tf.Tensor, kernel: tf.Tensor, pool_size: int, switches_of: SwitchesOf) -> tf.Tensor:
    """The score of each cell, in windows; -inf past the borders."""
    of_values = tf.unstack(tf.reshape(kernel, (pool_size**2, -1, pool_size, pool_size)))  # [C, P, P] each
    weights = [tf.transpose(one, (1, 2, 0))[None, :, None] for one in of_values]  # [1, P, 1, P, C]
    values = _of_cells(_windows(inputs, pool_size))
    scores = tf.add_n([value * weight for value, weight in zip(values, weights, strict=True)])
    if switches_of == "per_place":
        scores = tf.reduce_sum(scores, axis=4, keepdims=True)
    is_real = _windows(tf.ones_like(inputs[..., :1]), pool_size) > 0
    return tf.where(is_real, scores, tf.constant(-float("inf"), inputs.dtype))


def _shares(
    inputs: tf.Tensor, kernel: tf.Tensor, pool_size: int, is_hard: bool, switches_of: SwitchesOf
) -> tuple[tf.Tensor, tf.Tensor]:
    """The softmax of the scores, and what pools: the same, or one for the first of the largest; in windows."""
    scores = _scores(inputs, tf.cast(kernel, inputs.dtype), pool_size, switches_of)
    largest = functools.reduce(tf.maximum, _of_cells(scores))
    powers = tf.exp(scores - largest)
    soft = powers / tf.add_n(_of_cells(powers))
    return soft, tf.cast(_first(scores, largest), inputs.dtype) if is_hard else soft


def _pool(inputs: tf.Tensor, kernel: tf.Tensor, pool_size: int, **options: Any) -> tuple[tf.Tensor, tf.Tensor]:
    values = wide(inputs)
    _, shares = _shares(values, kernel, pool_size, **options)
    batch, height, width, _ = keras.ops.shape(inputs)
    pooled = _sums(shares * _windows(values, pool_size), inputs)
    return tf.cast(pooled, inputs.dtype), tf.cast(_as_map(shares, batch, (height, width)), inputs.dtype)


def _pool_gradient(
    inputs: tf.Tensor, kernel: tf.Tensor, of_pooled: tf.Tensor, of_indices: tf.Tensor, pool_size: int, **options: Any
) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients of the inputs and of the kernel, which is that of soft indices whatever pools."""
    batch, height, width, _ = keras.ops.shape(inputs)
    soft, shares = _shares(wide(inputs), kernel, pool_size, **options)
    values, above = _windows(wide(inputs), pool_size), _windows(wide(of_pooled), 1)  # one cell a window
    of_soft = _sum_to(above * values, shares) + _windows(wide(of_indices), pool_size)
    of_scores = soft * (of_soft - tf.add_n(_of_cells(soft * of_soft)))
    weights = tf.unstack(tf.cast(kernel, values.dtype)[None, :, None], axis=5)  # [1, P, 1, P, C] for each score
    slopes = [*zip(_of_cells(of_scores), weights, strict=True)]
    of_values = shares * above + tf.add_n([slope * weight for slope, weight in slopes])
    of_kernel = tf.stack([tf.reduce_sum(values * slope, axis=(0, 2)) for slope, _ in slopes], axis=3)
    return tf.cast(_as_map(of_values, batch, (height, width)), inputs.dtype), tf.cast(of_kernel, kernel.dtype)


def _sum_to(maps: tf.Tensor, shared: tf.Tensor) -> tf.Tensor:
    """Sum channels that have one index in common."""
    return maps if shared.shape[-1] == maps.shape[-1] else tf.reduce_sum(maps, axis=-1, keepdims=True)


def _first(scores: tf.Tensor, largest: tf.Tensor) -> tf.Tensor:
    """Whether a cell is the first of its window with the largest score."""
    side = scores.shape[1]
    position = tf.fill(tf.shape(largest), side**2)
    for cell, score in reversed([*enumerate(_of_cells(scores))]):
        position = tf.where(score == largest, cell, position)
    return position == tf.reshape(tf.range(side**2), (1, side, 1, side, 1))


def _unpool(values: tf.Tensor, indices: tf.Tensor, pool_size: int) -> tf.Tensor:
    return crop(fill_windows(values, pool_size), keras.ops.shape(indices)[1:3]) * indices


def _unpool_gradient(
    values: tf.Tensor, indices: tf.Tensor, above: tf.Tensor, pool_size: int
) -> tuple[tf.Tensor, tf.Tensor]:
    filled = crop(fill_windows(values, pool_size), keras.ops.shape(indices)[1:3])
    return window_sums(above * indices, pool_size), _sum_to(above * filled, indices)


def _with_gradient(
    kernel: Callable[..., Any], back: Callable[..., Any], first: tf.Tensor, second: Any, **options: Any
) -> Any:
    """Compute a kernel of two tensors, and going back their gradients, both compiled: only the two are kept."""

    @custom_gradient
    def compute(first: tf.Tensor, second: tf.Tensor) -> Any:
        def gradient(*above: tf.Tensor) -> Any:
            return compiled(back, first.shape, **options)(first, second, *above)

        return compiled(kernel, first.shape, **options)(first, second), gradient

    return compute(first, tf.identity(second))  # of a variable, its value
