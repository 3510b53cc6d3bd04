"""Enlarging and convolving in one layer: what `ResizeConv2D` and `FixedUnpoolingConv2D` share."""

from __future__ import annotations

import abc
from typing import Any

import keras
import tensorflow as tf

from cae.forms import can_fold, folding_is_faster, taps_behind
from cae.layers.bias import add_bias
from cae.layers.crop import Size, height_and_width, restored_size, whole_number

Shape = tuple[int | None, ...]

# What these layers decide themselves, and what their configuration therefore leaves out.
_FIXED = {
    "strides": 1,
    "padding": "same",
    "data_format": "channels_last",
    "dilation_rate": 1,
    "groups": 1,
}


class EnlargingConv2D(keras.layers.Conv2D, abc.ABC):
    """A convolution of an enlarged map, in the faster of two forms of the same function.

    Enlarging that copies pixels or spreads them out is linear, and the same everywhere: together with a convolution it
    is one transposed convolution, for bilinear resizing with a blur behind it, which never makes the enlarged map. A
    layer says in `enlarge` how the map becomes larger, and in `fold` which kernel does the same in one.

    Args:
        filters: Number of output channels.
        kernel_size: Side of the square kernel in pixels.
        factor: How many times higher and wider, at least 2.
        output_size: Height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        folded: True and False force or forbid the transposed convolution; None chooses the faster form for the
            device, the float type, the size and training (see `cae.forms`).
        **kwargs: As for `keras.layers.Conv2D`.
    """

    # What `cae.forms` calls this way of enlarging.
    enlarging: str

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

    @abc.abstractmethod
    def enlarge(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the enlarged map, cropped to `output_size`."""

    @abc.abstractmethod
    def fold(self, kernel: tf.Tensor) -> tf.Tensor:
        """Return the kernel of the transposed convolution that enlarges and convolves with `kernel`.

        Args:
            kernel: Of a convolution, (side, side, input channels, output channels).

        Returns:
            Of a transposed convolution, (side', side', output channels, input channels).
        """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the enlarged, convolved features; those of training are computed in the form that is faster then."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self._folds(inputs.shape, training):
            outputs, add = self.convolve_folded(inputs, kernel), add_bias
        else:
            outputs, add = tf.nn.conv2d(self.enlarge(inputs), kernel, strides=1, padding="SAME"), tf.nn.bias_add
        if self.use_bias:
            outputs = add(outputs, self.bias)
        return self.activation(outputs)

    def _folds(self, shape: tf.TensorShape, training: bool) -> bool:
        size, side = (shape[1], shape[2]), self.kernel_size[0]
        wanted = self.folded
        if wanted is None:
            on_gpu = bool(tf.config.list_logical_devices("GPU"))
            wanted = folding_is_faster(self.enlarging, size, side, self.compute_dtype, training=training, on_gpu=on_gpu)
        return wanted and can_fold(self.enlarging, size, self.output_size, self.factor, side)

    def convolve_folded(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Return the enlarged, convolved map, which is never made itself.

        Args:
            inputs: The map before.
            kernel: The layer's, (side, side, input channels, output channels).
        """
        kernel = self.fold(kernel)
        shape = self.compute_output_shape(keras.ops.shape(inputs))
        # Explicit padding would leave oneDNN's kernels, in 16 bits for some thirty times slower ones.
        behind = [
            (0, taps_behind(int(kernel.shape[0]), self.kernel_size[0], self.factor, target))
            for target in self.output_size or (self.factor, self.factor)  # every multiple of it needs the same
        ]
        if behind != [(0, 0), (0, 0)]:
            kernel = tf.pad(kernel, [*behind, (0, 0), (0, 0)])
        return tf.nn.conv2d_transpose(inputs, kernel, shape, self.factor, padding="SAME")

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
