"""The Haar wavelet: pictures to a mean and three differences of each square of pixels, and back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from cae.layers.sub_pixels import DepthToSpace2D, SpaceToDepth2D
from cae.layers.windows import Size

# Rows: mean (times 2), differences along columns, along rows, along both; columns: the pixels of a square. Orthonormal
# and symmetric, so that it is its own inverse.
_HAAR = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2


def _mix(squares: Any) -> Any:
    """Multiply the four groups of channels by the matrix."""
    _, height, width, channels = keras.ops.shape(squares)
    groups = keras.ops.reshape(squares, (-1, height, width, 4, channels // 4))
    mixed = keras.ops.matmul(keras.ops.cast(_HAAR, squares.dtype), groups)
    return keras.ops.reshape(mixed, (-1, height, width, channels))


@keras.saving.register_keras_serializable(package="cae")
class HaarTransform2D(SpaceToDepth2D):
    """Turns each square of 2x2 pixels into four bands: half of the sum, and three differences.

    Pixels a, b above c, d become (a + b + c + d) / 2, (a - b + c - d) / 2, (a + b - c - d) / 2 and
    (a - b - c + d) / 2, each for all channels: an orthonormal transform, so that squared sums stay what they are.
    Squares are counted from the top left; the last row and column are repeated where a side is odd.

    Example:
    >>> import numpy as np
    >>> picture = np.array([[1.0, 2.0], [3.0, 6.0]], "float32")[None, :, :, None]
    >>> np.array(HaarTransform2D()(picture))[0, 0, 0].tolist()
    [6.0, -2.0, -3.0, 1.0]

    Args:
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: maps of shape (batch, height, width, channels).

    Output shape:
        (batch, height / 2, width / 2, 4 * channels), rounded up.

    Reference:
        Haar 1910, "Zur Theorie der orthogonalen Funktionensysteme"; Mallat 1989, "A Theory for Multiresolution Signal
        Decomposition: The Wavelet Representation", for pictures.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(2, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Return the bands."""
        return _mix(super().call(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {key: value for key, value in super().get_config().items() if key != "factor"}


@keras.saving.register_keras_serializable(package="cae")
class InverseHaarTransform2D(DepthToSpace2D):
    """Turns four bands back into squares of 2x2 pixels: the inverse of `HaarTransform2D`.

    What is too much for `output_size` is cut off at the bottom and right.

    Example:
    >>> import numpy as np
    >>> bands = np.array([6.0, -2.0, -3.0, 1.0], "float32").reshape(1, 1, 1, 4)
    >>> np.array(InverseHaarTransform2D()(bands))[0, :, :, 0].tolist()
    [[1.0, 2.0], [3.0, 6.0]]

    Args:
        output_size: height and width to restore; divided by 2 and rounded up they must be the input's. None stands
            for twice the input's.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: bands of shape (batch, height, width, 4 * channels).

    Output shape:
        (batch, output height, output width, channels).

    Raises:
        ValueError: when 4 does not divide the channels, or when `output_size` does not fit the input.
    """

    def __init__(self, output_size: Size | None = None, **kwargs: Any) -> None:
        super().__init__(2, output_size, crops_end=True, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Return the pixels."""
        self.compute_output_shape(inputs.shape)
        return super().call(_mix(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {key: value for key, value in super().get_config().items() if key not in ("factor", "crops_end")}
