"""Resizing by a whole factor: `tf.image.resize` without antialiasing, as matrices; and its bilinear additive form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.layers.gradients import custom_gradient
from cae.layers.windows import (
    Size,
    cells,
    channels_after_opening,
    compiled,
    crop,
    fill_windows,
    height_and_width,
    restored_size,
    whole_number,
)

# From distances in pixels to weights; with NumPy, or with `tf.experimental.numpy`, which has the same functions.
Kernel = Callable[..., Any]


def _triangle(distance: Any, xp: Any = np) -> Any:
    return xp.maximum(0.0, 1.0 - distance)


def _keys_cubic(distance: Any, xp: Any = np) -> Any:
    """Keys 1981, "Cubic Convolution Interpolation for Digital Image Processing", with a = -1/2."""
    near = (1.5 * distance - 2.5) * distance**2 + 1.0
    far = ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return xp.where(distance <= 1.0, near, xp.where(distance < 2.0, far, 0.0))


def _lanczos(distance: Any, xp: Any = np, *, radius: int) -> Any:
    return xp.where(distance < radius, xp.sinc(distance) * xp.sinc(distance / radius), 0.0)


KERNELS: dict[str, Kernel] = {
    "bilinear": _triangle,
    "bicubic": _keys_cubic,
    "lanczos3": functools.partial(_lanczos, radius=3),
    "lanczos5": functools.partial(_lanczos, radius=5),
}
INTERPOLATIONS = ("nearest", *KERNELS)


@functools.lru_cache(maxsize=256)
def interpolation_matrix(interpolation: str, factor: int, size: int, target: int) -> np.ndarray:
    """Return the matrix (target, size) that enlarges `size` pixels by `factor` and crops them to `target`.

    Pixels are squares: the centre of output pixel `o` lies at `(o + 1/2) / factor - 1/2` on the input's axis.
    Weights that would fall beyond the border are dropped, and every row is scaled to sum to one.

    Example:
    >>> interpolation_matrix("bilinear", 2, 2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    top = (factor * size - target) // 2
    matrix: np.ndarray = _make_matrix(interpolation, factor, np.arange(top, top + target), np.arange(size), np)
    return matrix


def _make_matrix(interpolation: str, factor: int, outputs: Any, inputs: Any, xp: Any) -> Any:
    centres = (outputs + 0.5) / factor - 0.5
    if interpolation == "bicubic":
        # TensorFlow reads this kernel from a table with 1024 steps a pixel.
        centres = xp.floor(centres * 1024 + 0.5) / 1024
    weights = KERNELS[interpolation](xp.abs(centres[:, None] - inputs), xp)
    return weights / xp.sum(weights, axis=1, keepdims=True)


def _enlarging(interpolation: str, factor: int, size: Any, target: Any, dtype: Any) -> tf.Tensor:
    """The matrix in a float type; made anew in each run of a graph that does not know the size."""
    if isinstance(size, int) and isinstance(target, int):
        return tf.constant(interpolation_matrix(interpolation, factor, size, target), dtype)
    top = (factor * size - target) // 2
    outputs, inputs = (tf.cast(tf.range(*ends), tf.float64) for ends in ((top, top + target), (size,)))
    return tf.cast(_make_matrix(interpolation, factor, outputs, inputs, tf.experimental.numpy), dtype)


def resize(inputs: tf.Tensor, factor: int, interpolation: str, output_size: Size | None) -> tf.Tensor:
    """Enlarge (batch, height, width, channels) images by `factor`, then crop them to `output_size`."""
    if interpolation == "nearest":
        return crop(repeat_pixels(inputs, factor), output_size)
    batch, height, width, channels = keras.ops.shape(inputs)
    tall, wide = output_size or (height * factor, width * factor)
    rows = _enlarging(interpolation, factor, height, tall, inputs.dtype)
    columns = _enlarging(interpolation, factor, width, wide, inputs.dtype)
    stretched = tf.matmul(rows, tf.reshape(inputs, (batch, height, width * channels)))  # [N, tall, W * C]
    return tf.matmul(columns, tf.reshape(stretched, (batch, tall, width, channels)))


def repeat_pixels(inputs: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeat each pixel of (batch, height, width, channels) images `factor` times in either direction."""

    @custom_gradient
    def repeat(inputs: tf.Tensor) -> Any:
        def gradient(above: tf.Tensor) -> tf.Tensor:
            return compiled(_sum_windows, above.shape, factor=factor)(above)

        return fill_windows(inputs, factor), gradient

    return repeat(inputs)


def _sum_windows(grid: tf.Tensor, factor: int) -> tf.Tensor:
    wide = tf.cast(grid, tf.float32) if grid.dtype.size < 4 else grid
    return tf.cast(sum(cells(wide, factor)), grid.dtype)


Shape = tuple[int | None, ...]


@keras.saving.register_keras_serializable(package="cae")
class Resize2D(keras.layers.Layer):
    """Enlarges images by a whole factor, then crops them to the exact size.

    The same function as `tf.image.resize(inputs, (height * factor, width * factor), interpolation)`, in the
    layer's own float type. What is too much for `output_size` is cut off: half of it, rounded down, from the
    top and left.

    Example:
    >>> import numpy as np
    >>> row = np.array([0.0, 4.0], "float32").reshape(1, 1, 2, 1)
    >>> np.array(Resize2D(interpolation="bilinear", output_size=(1, 4))(row)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]

    Args:
        factor: how many times higher and wider, at least 2.
        interpolation: `nearest`, `bilinear`, `bicubic` (a = -1/2), `lanczos3` or `lanczos5`.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: images of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, or when `output_size` does not fit the input.

    Reference:
        Odena et al. 2016, "Deconvolution and Checkerboard Artifacts", section "Better Upsampling".
    """

    def __init__(
        self, factor: int = 2, interpolation: str = "nearest", output_size: Size | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"`interpolation` must be one of {', '.join(INTERPOLATIONS)}. "
                f"Received: interpolation={interpolation!r}."
            )
        self.factor = whole_number("factor", factor, least=2)
        self.interpolation = interpolation
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged images."""
        self.compute_output_shape(inputs.shape)
        return resize(inputs, self.factor, self.interpolation, self.output_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged images."""
        batch, height, width, channels = input_shape
        factors = (self.factor, self.factor)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            **super().get_config(),
            "factor": self.factor,
            "interpolation": self.interpolation,
            "output_size": self.output_size,
        }


@keras.saving.register_keras_serializable(package="cae")
class BilinearAdditive2D(keras.layers.Layer):
    """Enlarges images bilinearly by a whole factor and sums each factor^2 consecutive channels.

    An image keeps its number of values, as in sub-pixel upsampling, but without learnt weights and without
    checkerboard artefacts. The channels are summed first, which gives the same result with factor^2 times
    less work. What is too much for `output_size` is cut off: half of it, rounded down, from the top and left.

    Example:
    >>> import numpy as np
    >>> row = np.array([[1.0, 0, 0, -1], [1, 1, 1, 1]], "float32").reshape(1, 1, 2, 4)
    >>> np.array(BilinearAdditive2D(output_size=(1, 4))(row)).ravel().tolist()
    [0.0, 1.0, 3.0, 4.0]

    Args:
        factor: how many times higher and wider, at least 2.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels * factor^2).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, when factor^2 does not divide the input's channels, or
            when `output_size` does not fit the input.

    Reference:
        Wojna et al. 2017, "The Devil is in the Decoder", section on bilinear
        additive upsampling.
    """

    def __init__(self, factor: int = 2, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged images."""
        channels = self.compute_output_shape(inputs.shape)[-1]
        batch, height, width, _ = keras.ops.shape(inputs)
        summed = tf.reduce_sum(tf.reshape(inputs, (batch, height, width, channels, self.factor**2)), axis=-1)
        return resize(summed, self.factor, "bilinear", self.output_size)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged images."""
        batch, height, width, _ = input_shape
        channels = channels_after_opening(input_shape, self.factor)
        factors = (self.factor, self.factor)
        return (batch, *restored_size((height, width), factors, self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor, "output_size": self.output_size}
