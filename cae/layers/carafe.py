"""Content-aware reassembly: a new pixel is a weighted mean of a neighbourhood, whose weights the map itself gives."""

from __future__ import annotations

from typing import Any

import keras

from cae.layers.windows import Size, crop, height_and_width, neighbours, restored_size, whole_number


@keras.saving.register_keras_serializable(package="cae")
class Carafe2D(keras.layers.Layer):
    """Enlarges maps by a whole factor with kernels predicted at each place, then crops them to the exact size.

    A 1x1 convolution compresses the channels, a second convolution makes of them factor^2 kernels of up_kernel^2
    taps for each place, and a softmax lets the taps of each kernel sum to one. Output pixel (factor * i + r,
    factor * j + s) is the sum of the neighbourhood of input pixel (i, j), weighted by kernel (r, s), the same for all
    channels. Past the borders there are zeros. What is too much for `output_size` is cut off: half of it, rounded down,
    from the top and left.

    Example:
    >>> layer = Carafe2D(2, output_size=(5, 7))
    >>> layer(keras.ops.ones((1, 3, 4, 8))).shape, layer.count_params()
    (TensorShape([1, 5, 7, 8]), 58276)

    Args:
        factor: how many times higher and wider, at least 2.
        output_size: height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        up_kernel: side of the neighbourhood, odd.
        encoder_kernel: side of the kernel of the convolution that predicts, odd.
        compressed_channels: channels that it is given.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: maps of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when an argument is out of range, or when `output_size` does not fit the input.

    Reference:
        Wang et al. 2019, "CARAFE: Content-Aware ReAssembly of FEatures", section 3.
    """

    def __init__(
        self,
        factor: int = 2,
        output_size: Size | None = None,
        up_kernel: int = 5,
        encoder_kernel: int = 3,
        compressed_channels: int = 64,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.output_size = height_and_width(output_size)
        self.up_kernel = _odd("up_kernel", up_kernel)
        self.encoder_kernel = _odd("encoder_kernel", encoder_kernel)
        self.compressed_channels = whole_number("compressed_channels", compressed_channels, least=1)
        self.input_spec = keras.layers.InputSpec(ndim=4)
        self.compress = keras.layers.Conv2D(self.compressed_channels, 1, name="compress", dtype=self.dtype_policy)
        self.encode = keras.layers.Conv2D(
            (self.factor * self.up_kernel) ** 2,
            self.encoder_kernel,
            padding="same",
            kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),  # nearly equal taps at the start
            name="encode",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of both convolutions."""
        self.compress.build(input_shape)
        self.encode.build((*input_shape[:3], self.compressed_channels))

    def call(self, inputs: Any) -> Any:
        """Return the enlarged maps."""
        self.compute_output_shape(inputs.shape)
        ops, factor, side, more = keras.ops, self.factor, self.up_kernel, self.up_kernel // 2
        _, height, width, channels = ops.shape(inputs)
        taps = ops.reshape(self.encode(self.compress(inputs)), (-1, height, width, factor**2, side**2))
        padded = ops.pad(inputs, [[0, 0], [more, more], [more, more], [0, 0]])
        pixels = ops.matmul(ops.softmax(taps, axis=-1), neighbours(padded, side))  # [N, H, W, factor^2, C]
        squares = ops.reshape(pixels, (-1, height, width, factor, factor, channels))
        rows = ops.transpose(squares, (0, 1, 3, 2, 4, 5))
        return crop(ops.reshape(rows, (-1, height * factor, width * factor, channels)), self.output_size)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the enlarged maps."""
        batch, height, width, channels = input_shape
        return (batch, *restored_size((height, width), (self.factor, self.factor), self.output_size), channels)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        names = ("factor", "output_size", "up_kernel", "encoder_kernel", "compressed_channels")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _odd(name: str, value: Any) -> int:
    number = whole_number(name, value, least=1)
    if number % 2 == 0:
        raise ValueError(f"`{name}` must be odd. Received: {name}={value!r}.")
    return number
