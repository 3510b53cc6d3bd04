"""Three ways to bring a picture to the size that a model takes.

Resizing is Pillow's bicubic one, which widens its kernel when it shrinks (antialiasing). A picture that has the size
already comes back unchanged from each of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

Size = tuple[int, int]


def stretch(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize both sides to `size`, whatever that does to the proportions.

    >>> stretch(np.full((4, 6, 3), 7, np.uint8), (2, 5)).shape
    (2, 5, 3)

    Args:
        image: (height, width, 1 or 3), uint8 or float32 in [0, 1].
        size: Height and width in pixels.
    """
    return _per_plane(image, lambda plane: plane.resize(size[::-1], Image.Resampling.BICUBIC))


def crop(image: np.ndarray, size: Size) -> np.ndarray:
    """Scale until `size` is covered, then cut the middle: proportions stay, borders may go.

    >>> crop(np.full((4, 6, 3), 7, np.uint8), (2, 2)).shape
    (2, 2, 3)

    Args:
        image: (height, width, 1 or 3), uint8 or float32 in [0, 1].
        size: Height and width in pixels.
    """
    return _per_plane(image, lambda plane: ImageOps.fit(plane, size[::-1], Image.Resampling.BICUBIC))


def cut_patch(image: np.ndarray, size: Size, place: tuple[float, float] | None = None) -> np.ndarray:
    """Cut `size` out without scaling.

    >>> cut_patch(np.arange(5, dtype=np.uint8).reshape(1, 5, 1), (1, 3)).ravel()
    array([1, 2, 3], dtype=uint8)

    Args:
        image: (height, width, channels), at least as large as `size`.
        size: Height and width in pixels.
        place: Where to cut, from (0, 0), top left, to just below (1, 1), bottom right; None cuts the middle.
    """
    free = (image.shape[0] - size[0], image.shape[1] - size[1])
    if place is None:
        top, left = free[0] // 2, free[1] // 2
    else:
        top, left = int(place[0] * (free[0] + 1)), int(place[1] * (free[1] + 1))
    return image[top : top + size[0], left : left + size[1]]


def _per_plane(image: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    """Apply a Pillow operation; Pillow has no image of several float channels, so those go one by one."""
    if image.dtype == np.uint8:
        changed = np.asarray(change(Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)))
        return changed[..., np.newaxis] if changed.ndim == 2 else changed
    planes = [np.asarray(change(Image.fromarray(image[..., c]))) for c in range(image.shape[-1])]
    # A bicubic kernel overshoots at edges; 8-bit images are clipped by Pillow itself.
    return np.clip(np.stack(planes, axis=-1), 0.0, 1.0)
