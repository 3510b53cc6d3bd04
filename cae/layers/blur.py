"""A fixed low-pass filter that takes the period of an enlargement out of a map."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cae.layers.windows import whole_number


@keras.saving.register_keras_serializable(package="cae")
class Blur2D(keras.layers.Layer):
    """Filters each channel with the box of `factor` pixels, applied twice: at a factor of 2 the binomial (1, 2, 1) / 4.

    Weights along a side are 1, 2, ..., factor, ..., 2, 1 over factor^2. They sum to one, so that constants stay as they
    are, and whatever repeats every `factor` pixels comes out as its mean: checkerboard artefacts of that period vanish.
    The side is odd, so that nothing moves. Past the borders, the last row and column are repeated.

    Example:
    >>> layer = Blur2D(2)
    >>> layer(keras.ops.reshape([0.0, 4.0, 0.0, 4.0], (1, 1, 4, 1))).numpy().ravel().tolist()
    [1.0, 2.0, 2.0, 3.0]

    Args:
        factor: the period in pixels, at least 2.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: maps of shape (batch, height, width, channels).

    Output shape:
        The input's.

    Raises:
        ValueError: when `factor` is out of range.

    Reference:
        Karras et al. 2019, "A Style-Based Generator Architecture for Generative Adversarial Networks", section 2
        (binomial filters behind upsampling); Sugawara, Shiota and Kiya 2019, "Checkerboard artifacts free
        convolutional neural networks" (the box takes the period out).
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = whole_number("factor", factor, least=2)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def call(self, inputs: Any) -> Any:
        """Return the filtered maps."""
        ops, more = keras.ops, self.factor - 1
        inputs = ops.concatenate([*[inputs[:, :1]] * more, inputs, *[inputs[:, -1:]] * more], axis=1)
        inputs = ops.concatenate([*[inputs[:, :, :1]] * more, inputs, *[inputs[:, :, -1:]] * more], axis=2)
        box = np.full(self.factor, 1 / self.factor)
        weights = np.convolve(box, box)
        kernel = np.outer(weights, weights)[:, :, None, None].repeat(inputs.shape[3], axis=2)
        return ops.depthwise_conv(inputs, ops.convert_to_tensor(kernel, inputs.dtype), padding="valid")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "factor": self.factor}
