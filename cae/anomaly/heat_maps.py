"""Where in an image the errors are, as a picture of the image's own size."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cae.anomaly.strips import row_strips
from cae.pictures.colors import LARGEST_ERROR, scale_colors


def color_errors(errors: np.ndarray, size: tuple[int, int] | None = None) -> np.ndarray:
    """Draw absolute errors on the colour scale of all error maps: black at 0, pale yellow from 0.25 on.

    Example:
        >>> color_errors(np.array([[0.0, 0.125, 0.9]], np.float32))[0].tolist()
        [[0, 0, 4], [188, 55, 84], [252, 255, 164]]

    Args:
        errors: (height, width), float32.
        size: Height and width of the picture; others than the errors' where images were resized for the model.

    Returns:
        uint8, (height, width, 3).
    """
    if size is not None and size != errors.shape:
        errors = np.asarray(Image.fromarray(errors).resize(size[::-1], Image.Resampling.BILINEAR))
    # Colours are found in 64 bits.
    return np.concatenate([scale_colors(errors[strip] / LARGEST_ERROR) for strip in row_strips(*errors.shape)])
