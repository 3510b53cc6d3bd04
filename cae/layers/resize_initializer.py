"""A start of transposed convolutions that makes pictures larger as a resize does."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cae.layers.windows import whole_number


@keras.saving.register_keras_serializable(package="cae")
class ResizeInitializer(keras.initializers.Initializer):
    """Starts a transposed convolution as a small convolution, whose output is resized.

    A kernel of k taps along a side and strides s is made of a smaller one, which the initializer draws:

    - `bilinear`: a 1x1 kernel times a tent, 1 - |distance to the middle| / s for each tap, scaled such that the taps of
      each output phase sum to one. With k of at least 2s - 1 it resizes bilinearly.
    - `nearest`: k / s taps along a side, each repeated s times, so that all phases are the same filter, as
      `ICNRInitializer` does for sub-pixels. Needs k to be a multiple of s.

    Either way a constant comes out constant: there are no checkerboard artefacts at the start.

    Example:
    >>> kernel = ResizeInitializer(2, "bilinear", "ones")((4, 4, 1, 1))
    >>> keras.ops.convert_to_numpy(kernel)[1, :, 0, 0].tolist()
    [0.1875, 0.5625, 0.5625, 0.1875]

    Args:
        strides: of the transposed convolution, at least 1.
        interpolation: `bilinear` or `nearest`.
        initializer: what draws the smaller kernel: an initializer of Keras or its name.

    Raises:
        ValueError: when an argument is out of range, or the kernel is not a multiple of the strides for `nearest`.

    Reference:
        Long, Shelhamer and Darrell 2015, "Fully Convolutional Networks for Semantic Segmentation", section 3.3
        (bilinear start); Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution", section 3.
    """

    def __init__(self, strides: int = 2, interpolation: str = "bilinear", initializer: Any = "glorot_uniform") -> None:
        if interpolation not in ("bilinear", "nearest"):
            raise ValueError(f"`interpolation` must be bilinear or nearest. Received: interpolation={interpolation!r}.")
        self.strides = whole_number("strides", strides, least=1)
        self.interpolation = interpolation
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Any:
        """Return a kernel of `shape`, (kernel height, kernel width, filters, input channels)."""
        *sides, filters, channels = shape
        if self.interpolation == "bilinear":
            rows, columns = (_tent(side, self.strides) for side in sides)
            drawn = self.initializer((1, 1, filters, channels), dtype=dtype)
            return drawn * keras.ops.convert_to_tensor(np.outer(rows, columns)[:, :, None, None], drawn.dtype)
        if any(side % self.strides for side in sides):
            raise ValueError(
                f"The kernel's sides must be multiples of the strides, {self.strides}. Received: shape={tuple(shape)}."
            )
        drawn = self.initializer((*(side // self.strides for side in sides), filters, channels), dtype=dtype)
        return keras.ops.repeat(keras.ops.repeat(drawn, self.strides, axis=0), self.strides, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        drawing = keras.initializers.serialize(self.initializer)
        return {"strides": self.strides, "interpolation": self.interpolation, "initializer": drawing}


def _tent(side: int, strides: int) -> np.ndarray:
    taps = np.maximum(0.0, 1 - abs(np.arange(side) - (side - 1) / 2) / strides)
    for phase in range(min(side, strides)):
        taps[phase::strides] /= taps[phase::strides].sum()
    return taps
