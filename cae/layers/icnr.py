"""A start for sub-pixel convolutions that has no checkerboard artefacts."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.crop import whole_number


@keras.saving.register_keras_serializable(package="cae")
class ICNRInitializer(keras.initializers.Initializer):
    """Starts a sub-pixel convolution as a nearest-neighbour resize of a smaller convolution.

    Draws the kernel of a convolution with factor^2 times fewer filters and repeats it, so that all factor^2
    pixels which `DepthToSpace2D(factor)` makes of one pixel start out equal.

    Example:
    >>> import numpy as np
    >>> kernel = ICNRInitializer(2, keras.initializers.GlorotUniform(seed=1))((3, 3, 5, 8))
    >>> all(np.array_equal(kernel[..., i : i + 2], kernel[..., :2]) for i in (2, 4, 6))
    True

    Args:
        factor: The factor of the `DepthToSpace2D` that follows, at least 2.
        initializer: What draws the smaller kernel: an initializer of Keras or its name.

    Raises:
        ValueError: When an argument is out of range, or when factor^2 does not divide the filters.

    Reference:
        Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", section 3.
    """

    def __init__(self, factor: int = 2, initializer: str | keras.initializers.Initializer = "glorot_uniform") -> None:
        self.factor = whole_number("factor", factor, least=2)
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
        """Return a kernel of `shape`, (kernel height, kernel width, input channels, filters)."""
        *others, filters = shape
        if filters % self.factor**2:
            raise ValueError(
                f"The filters must be a multiple of factor^2 = {self.factor**2}. Received: shape={tuple(shape)}."
            )
        kernel = self.initializer((*others, filters // self.factor**2), dtype=dtype)
        return tf.concat([kernel] * self.factor**2, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {"factor": self.factor, "initializer": keras.initializers.serialize(self.initializer)}
