"""Error maps as colours, and pictures as PNG files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from cae.atomic_files import replacing

# Absolute errors from here on have the last colour. Fixed, so that the pictures of different runs can be
# compared.
LARGEST_ERROR = 0.25

# Matplotlib's inferno at eighths: its lightness rises evenly, so that equal steps of error look equal.
_ANCHORS = (
    (0, 0, 4),
    (33, 12, 74),
    (87, 16, 110),
    (138, 34, 106),
    (188, 55, 84),
    (228, 90, 49),
    (249, 142, 9),
    (249, 203, 53),
    (252, 255, 164),
)


def image_colors(images: np.ndarray) -> np.ndarray:
    """Return gray or RGB images as RGB bytes.

    Example:
        >>> image_colors(np.array([[[[-0.1], [0.5], [1.0]]]]))[0, 0].tolist()
        [[0, 0, 0], [128, 128, 128], [255, 255, 255]]

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, 1 or 3); values outside are clipped, NaN is
            black.

    Returns:
        uint8, shape (batch, height, width, 3).
    """
    pixels = np.nan_to_num(np.asarray(images, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    pixels = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def error_colors(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return maps of the absolute error, mean over channels: black at 0, pale yellow from 0.25 on.

    Example:
        >>> images = np.zeros((1, 1, 3, 1))
        >>> error_colors(images, images + np.array([[[[0.0], [0.125], [0.9]]]]))[0, 0].tolist()
        [[0, 0, 4], [188, 55, 84], [252, 255, 164]]

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, channels).
        reconstructions: The same shape; values outside [0, 1] are clipped, NaN is the largest error.

    Returns:
        uint8, shape (batch, height, width, 3).
    """
    clipped = np.clip(np.asarray(reconstructions, np.float32), 0.0, 1.0)
    errors = np.abs(np.asarray(images, np.float32) - clipped).mean(axis=-1)  # [N, H, W]
    return scale_colors(np.nan_to_num(errors, nan=LARGEST_ERROR) / LARGEST_ERROR)


def scale_colors(shares: np.ndarray) -> np.ndarray:
    """Colours of the error scale: shares of the largest error, any shape (...), to uint8 (..., 3)."""
    places = np.linspace(0.0, 1.0, len(_ANCHORS))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_ANCHORS)]
    return (np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def save_png(picture: np.ndarray, path: Path) -> None:
    """Write a picture as PNG; the file is either old or new, never half.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "black.png"
        >>> save_png(np.zeros((8, 6, 3), np.uint8), path)
        >>> with Image.open(path) as image:
        ...     image.size
        (6, 8)

    Args:
        picture: uint8, shape (height, width, 3) or (height, width).
        path: Where to; the folder exists.

    Raises:
        OSError: The file cannot be written.
    """
    with replacing(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
