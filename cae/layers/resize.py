"""Resizing by a whole factor."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import Size, height_and_width, restored_size, whole_number
from cae.layers.interpolation import INTERPOLATIONS, resize

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
        factor: How many times higher and wider, at least 2.
        interpolation: `nearest`, `bilinear`, `bicubic` (a = -1/2), `lanczos3` or `lanczos5`.
        output_size: Height and width to restore; divided by `factor` and rounded up they must be the input's.
            None stands for `factor` times the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: Images of shape (batch, height, width, channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: When an argument is out of range, or when `output_size` does not fit the input.

    Reference:
        Odena et al. 2016, "Deconvolution and Checkerboard Artifacts", section "Better Upsampling".
    """

    def __init__(
        self,
        factor: int = 2,
        interpolation: str = "nearest",
        output_size: Size | None = None,
        **kwargs: Any,
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
