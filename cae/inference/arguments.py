"""Images as people hand them over in Python: arrays of several shapes and types."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cae.data.pixels import batch_shape, is_pixel_type, to_channels, to_pixels
from cae.data.value_range import TOLERANCE, Pair, ValuesSeen, in_words, range_for, suggest
from cae.run_warning import RunWarning


class Images(NamedTuple):
    """A batch, and how the answer is to look."""

    pixels: np.ndarray
    """(batch, height, width, channels), uint8 or float32 in [0, 1], channels as the model takes them."""
    is_single: bool
    """Whether there was no axis for the batch."""
    is_flat: bool
    """Whether there was no axis for channels, and the model needs none either."""

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Take away from values for each pixel the axes that the images lacked."""
        if self.is_flat:
            values = values[..., 0]
        return values[0] if self.is_single else values


def as_images(
    images: Any, channels: int, value_range: Pair | None = None, warnings: list[RunWarning] | None = None
) -> Images:
    """Bring images to the form in which the model takes them.

    Arrays are read as in files, see `cae.data.pixels.batch_shape`.

    Example:
        >>> as_images(np.zeros((5, 28, 28), np.uint8), channels=1).pixels.shape
        (5, 28, 28, 1)
        >>> as_images(np.zeros((32, 40, 3)), channels=1).pixels.shape
        (1, 32, 40, 1)

    Args:
        images: (batch, height, width, 1 or 3), (batch, height, width), (height, width, 1 or 3) or (height, width);
            bool, uint8, uint16 (of 65535), or floating point in [0, 1]; with a range any integers and floating point.
        value_range: the model's own, which counts where the type can hold it; see `cae.data.value_range.range_for`.
        warnings: takes what makes the images doubtful.
        channels: 1 or 3, what the model takes: gray is repeated, colour made gray by ITU-R 601 luma.

    Raises:
        ValueError: The shape, the type or the values are others.
    """
    array = np.asarray(images)
    try:
        shape = batch_shape(array.shape)
    except ValueError as error:
        raise ValueError(f"`images` must have shape {error}") from error
    has_channels = array.ndim == 4 or (array.ndim == 3 and shape[1:] == array.shape)
    on_range = range_for(array.dtype, value_range)
    if not is_pixel_type(array.dtype, on_a_range=on_range is not None):
        raise ValueError(
            "`images` must be bool, uint8, uint16, or floating point in [0, 1], or after a training with"
            f" `data.value_range` any integers. Received: dtype={array.dtype}."
        )
    batch = array.reshape(shape)
    if array.dtype.kind == "f":
        _check_floats(batch, is_on_range=on_range is not None)
    ValuesSeen("`images`", on_range, warnings=[] if warnings is None else warnings).note(batch)
    is_single = array.ndim == 2 or (array.ndim == 3 and has_channels)
    return Images(to_channels(to_pixels(batch, on_range), channels), is_single, not has_channels and channels == 1)


def _check_floats(batch: np.ndarray, *, is_on_range: bool) -> None:
    is_finite = np.isfinite(batch.reshape(len(batch), -1)).all(axis=1)
    if not is_finite.all():
        place = int(np.argmin(is_finite))
        received = "nan" if np.isnan(batch[place]).any() else "infinity"
        raise ValueError(f"Floating-point `images` must be finite numbers. Received: {received} in image {place}.")
    low, high = batch.min(), batch.max()
    if not is_on_range and not -TOLERANCE <= low <= high <= 1 + TOLERANCE:
        low, high = float(low), float(high)
        raise ValueError(
            f"Floating-point `images` must be in [0, 1]. Received: values from {low:g} to {high:g}. Bring them from"
            f" {in_words(suggest(low, high))} to [0, 1], or train with `data.value_range`."
        )
