"""Resizing and convolution in one layer."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.layers.bilinear_conv import convolve_bilinear
from cae.layers.crop import Size
from cae.layers.enlarging_conv import EnlargingConv2D
from cae.layers.interpolation import resize


@keras.saving.register_keras_serializable(package="cae")
class ResizeConv2D(EnlargingConv2D):
    """Enlarges features by repeating their pixels or bilinearly, then convolves.

    The same function, with the same kernel, as `Resize2D(factor, interpolation, output_size)` followed by
    `keras.layers.Conv2D(filters, kernel_size, padding="same")`, borders included. Where that is faster it is computed
    as one transposed convolution with strides `factor`, whose kernel of side `kernel_size + factor - 1` is made
    of sums of the kernel's taps: a 3x3 kernel behind a resize by 2 then takes 4 / 9 of the multiplications. For
    `bilinear` a blur follows it (see `convolve_bilinear`).

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
        interpolation: `nearest` or `bilinear`.
        folded: True and False force or forbid the transposed convolution; None chooses the faster form for the
            device, the float type, the size and training (see `cae.forms`). A cropped map is never folded; with
            `bilinear` neither is a kernel of an even side.
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
        interpolation: str = "nearest",
        folded: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, factor, output_size, folded, **kwargs)
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"`interpolation` must be nearest or bilinear. Received: interpolation={interpolation!r}.")
        self.enlarging = self.interpolation = interpolation

    def enlarge(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the resized map."""
        return resize(inputs, self.factor, self.interpolation, self.output_size)

    def convolve_folded(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Return the resized, convolved map, which is never made itself."""
        if self.interpolation == "bilinear":
            return convolve_bilinear(inputs, kernel, self.fold(kernel), self.factor)
        return super().convolve_folded(inputs, kernel)

    def fold(self, kernel: tf.Tensor) -> tf.Tensor:
        """Return the kernel of the transposed convolution that repeats pixels and convolves."""
        return fold_kernel(kernel, self.factor)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "interpolation": self.interpolation}


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
