"""Convolution past the borders of which the map goes on as its mirror image."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="cae")
class ReflectConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of step 1 with mirrored borders in the place of zeros: ... c b | a b c ...

    Zeros make a border that the picture does not have, which reconstructions show as darker or brighter rims. The
    output is as high and wide as the input, which must be larger than half of the kernel.

    Args:
        filters: channels of the output.
        kernel_size: side of the square kernel, in pixels. An even one sees one pixel more at the bottom and right, as
            `padding="same"` does.
        kwargs: those of `keras.layers.Conv2D`, but for strides and padding.

    >>> layer = ReflectConv2D(1, 3, kernel_initializer="ones", use_bias=False)
    >>> [round(value) for value in layer(keras.ops.reshape([1.0, 2.0, 4.0, 8.0], (1, 2, 2, 1))).numpy().flat]
    [45, 36, 30, 24]
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **kwargs: Any) -> None:
        super().__init__(filters, kernel_size, padding="valid", **kwargs)

    def call(self, inputs: Any) -> Any:
        """Convolve (batch, height, width, channels) to (batch, height, width, filters)."""
        return super().call(keras.ops.pad(inputs, borders(self.kernel_size[0]), mode="reflect"))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape with as many channels as filters."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """What makes the same layer again."""
        config = super().get_config()
        del config["padding"]
        return config


def borders(kernel_size: int) -> list[list[int]]:
    """Pixels that go on past each border, before and after, for (batch, height, width, channels)."""
    side = [(kernel_size - 1) // 2, kernel_size // 2]
    return [[0, 0], side, side, [0, 0]]
