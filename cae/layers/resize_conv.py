"""Nearest resize and convolution in one layer."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.forms import can_fold, folding_is_faster
from cae.layers.crop import Size, height_and_width, restored_size, whole_number
from cae.layers.interpolation import resize

Shape = tuple[int | None, ...]

# What this layer decides itself, and what its configuration therefore leaves out.
_FIXED = {
    "strides": 1,
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": 1,
    "groups": 1,
}


@keras.saving.register_keras_serializable(package="cae")
class ResizeConv2D(keras.layers.Conv2D):
    """Enlarges features by repeating their pixels, then convolves.

    The same function, with the same kernel, as `Resize2D(factor, "nearest", output_size)` followed by
    `keras.layers.Conv2D(filters, kernel_size, padding="same")`, borders included. Where that is faster it is computed
    as one transposed convolution with strides `factor`, whose kernel of side `kernel_size + factor - 1` is made
    of sums of the kernel's taps: a 3x3 kernel behind a resize by 2 then takes 4 / 9 of the multiplications.

    Example:
    >>> import numpy as np
    >>> features = np.zeros((1, 4, 4, 8), "float32")
    >>> ResizeConv2D(3, kernel_size=3, output_size=(7, 8))(features).shape
    TensorShape([1, 7, 8, 3])

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel in pixels.
        factor: How many times higher and wider, at least 2.
        output_size: Height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        folded: True and False force or forbid the transposed convolution; None chooses the faster form for the
            device and the float type (see `cae.forms`). A cropped map is never folded.
        **kwargs: `activation`, `use_bias`, initializers, regularizers, constraints, `name`, `dtype`: as for
            `keras.layers.Conv2D`.

    Call arguments:
        inputs: Features of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, filters).

    Raises:
        ValueError: When an argument is out of range, or when `output_size` does not fit the input.
        TypeError: When `strides`, `padding`, `dilation_rate`, `groups` or `data_format` are given: this layer
            decides them.

    Reference:
        Odena et al. 2016, "Deconvolution and Checkerboard Artifacts", section "Better Upsampling".
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        factor: int = 2,
        output_size: Size | None = None,
        folded: bool | None = None,
        **kwargs: Any,
    ) -> None:
        kernel_size = whole_number("kernel_size", kernel_size, least=1)
        super().__init__(filters, kernel_size, **_FIXED, **kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.folded = folded
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged, convolved features."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self._folds(inputs.shape):
            shape = self.compute_output_shape(keras.ops.shape(inputs))
            folded = fold_kernel(kernel, self.factor)
            outputs = _transposed_convolution(inputs, folded, shape, self.factor, self.kernel_size[0])
        else:
            enlarged = resize(inputs, self.factor, "nearest", self.output_size)
            outputs = tf.nn.conv2d(enlarged, kernel, strides=1, padding="SAME")
        if self.use_bias:
            outputs = tf.nn.bias_add(outputs, self.bias)
        return self.activation(outputs)

    def _folds(self, shape: tf.TensorShape) -> bool:
        wanted = self.folded
        if wanted is None:
            on_gpu = bool(tf.config.list_logical_devices("GPU"))
            wanted = folding_is_faster(self.kernel_size[0], self.compute_dtype, on_gpu=on_gpu)
        return wanted and can_fold((shape[1], shape[2]), self.output_size, self.factor)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the enlarged features."""
        batch, height, width, _ = input_shape
        factors = (self.factor, self.factor)
        return (batch, *restored_size((height, width), factors, self.output_size), self.filters)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        config = {key: value for key, value in super().get_config().items() if key not in _FIXED}
        own = {"factor": self.factor, "output_size": self.output_size, "folded": self.folded}
        return {**config, "kernel_size": self.kernel_size[0], **own}


def fold_kernel(kernel: tf.Tensor, factor: int) -> tf.Tensor:
    """Return the kernel of the transposed convolution that resizes by `factor` and convolves with `kernel`.

    An output pixel sees the same input pixel through up to factor^2 taps at once: their sum is the new tap. In one
    dimension, tap q of the new kernel is the sum of those taps t for which 0 <= q - (side - 1 - t) < factor.

    Example:
    >>> fold_kernel(tf.reshape([1.0, 2.0, 4.0] * 3, (3, 3, 1, 1)), 2)[0, :, 0, 0].numpy().tolist()
    [4.0, 6.0, 3.0, 1.0]

    Args:
        kernel: Of a convolution, (side, side, input channels, output channels).
        factor: Of the resize.

    Returns:
        Of a transposed convolution, (side + factor - 1, side + factor - 1, output channels, input channels).
    """
    side, _, channels, filters = kernel.shape
    sums = tf.constant(_tap_sums(side, factor), kernel.dtype)
    folded = tf.matmul(sums, tf.reshape(kernel, (side**2, channels * filters)))
    return tf.transpose(tf.reshape(folded, (side + factor - 1, side + factor - 1, channels, filters)), (0, 1, 3, 2))


@functools.lru_cache(maxsize=64)
def _tap_sums(side: int, factor: int) -> np.ndarray:
    """Make the matrix that sums taps, ((side + factor - 1)^2, side^2) of zeros and ones, row-major in both."""
    new, old = np.arange(side + factor - 1)[:, None], np.arange(side)[None, :]
    shift = new - (side - 1 - old)
    line = ((shift >= 0) & (shift < factor)).astype(float)
    return np.kron(line, line)


def _transposed_convolution(inputs: tf.Tensor, kernel: tf.Tensor, shape: Shape, factor: int, side: int) -> tf.Tensor:
    # SAME would put the odd row of an even kernel's padding on the other side.
    before = side - 1 - (side - 1) // 2
    around = [before, side - 1 - before]
    padding = "SAME" if side % 2 else [[0, 0], around, around, [0, 0]]
    return tf.nn.conv2d_transpose(inputs, kernel, shape, factor, padding=padding)
