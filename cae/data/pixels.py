"""From stored values to pixels: types, channels, and three ways to the size that a model takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

# ITU-R 601 luma. The integer form is Pillow's: 16 fractional bits, rounded.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LUMA_16_BIT = np.array([19595, 38470, 7471], np.uint32)


def is_pixel_type(dtype: np.dtype, *, on_a_range: bool = False) -> bool:
    """Whether `to_pixels` takes values of this type: bool, uint8, uint16, float16, float32, float64.

    Args:
        dtype: the type.
        on_a_range: whether it is said which values are black and white: then any integer will do.
    """
    if on_a_range and dtype.kind in "iu":
        return True
    return dtype.kind == "b" or (dtype.kind, dtype.itemsize) in {("u", 1), ("u", 2), ("f", 2), ("f", 4), ("f", 8)}


def pixel_type(dtype: np.dtype, value_range: tuple[float, float] | None = None) -> np.dtype:
    """The type that `to_pixels` gives: uint8 for up to 8 bits, float32 for more and on a range."""
    return np.dtype(np.uint8 if dtype.itemsize == 1 and value_range is None else np.float32)


def batch_shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Read the shape of an array of images as (images, height, width, channels): the one rule for files and Python.

    A three-dimensional array whose last side is 1 or 3 is one image, any other a batch of gray ones. An array of two
    dimensions is one gray image.

    >>> batch_shape((64, 48, 3)), batch_shape((10, 64, 48)), batch_shape((10, 64, 48, 3)), batch_shape((64, 48))
    ((1, 64, 48, 3), (10, 64, 48, 1), (10, 64, 48, 3), (1, 64, 48, 1))

    Args:
        shape: (images, height, width), (images, height, width, 1 or 3), (height, width, 1 or 3) or (height, width).

    Raises:
        ValueError: the shape is another; names the shapes that it could be, and whether channels seem to come first.
    """
    if len(shape) == 2 and 0 not in shape:
        return 1, *shape, 1
    if len(shape) == 3 and 0 not in shape:
        images, height, width, channels = (1, *shape) if shape[2] in (1, 3) else (*shape, 1)
        return images, height, width, channels
    if len(shape) == 4 and shape[3] in (1, 3) and 0 not in shape:
        images, height, width, channels = shape
        return images, height, width, channels
    remedy = ""
    if len(shape) == 4 and shape[1] in (1, 3):
        remedy = " Channels seem to come first; bring them last, with numpy.moveaxis(images, 1, -1)."
    raise ValueError(
        "(images, height, width), (images, height, width, 1 or 3) or, for one image, (height, width, 1 or 3) or"
        f" (height, width), with no side of 0. Received: shape={tuple(shape)}.{remedy}"
    )


def unusual_reading(shape: tuple[int, ...]) -> str:
    """Say how a shape is read where another reading is likely, too; else nothing.

    >>> unusual_reading((64, 48, 3))
    'the shape (64, 48, 3) is read as one image, (height, width, channels)'
    """
    if len(shape) == 2:
        return f"the shape {tuple(shape)} is read as one gray image, (height, width)"
    if len(shape) != 3 or (shape[2] not in (1, 3) and shape[0] != 3):
        return ""
    single = "one image, (height, width, channels)"
    several = "3 gray images; bring channels last with numpy.moveaxis(image, 0, -1) if it is one image of colours"
    return f"the shape {tuple(shape)} is read as {single if shape[2] in (1, 3) else several}"


def to_pixels(values: np.ndarray, value_range: tuple[float, float] | None = None) -> np.ndarray:
    """Turn stored values into uint8 pixels, or into float32 pixels in [0, 1] where 8 bits are not enough.

    >>> to_pixels(np.array([0, 65535], np.uint16))
    array([0., 1.], dtype=float32)
    >>> to_pixels(np.array([False, True]))
    array([  0, 255], dtype=uint8)
    >>> to_pixels(np.array([-1000, 0, 3000], np.int16), (-1000, 1000))
    array([0. , 0.5, 1. ], dtype=float32)

    Args:
        values: bool, uint8, uint16 (of 65535), or floating point already in [0, 1]; with a range any integers or
            floating point; any shape.
        value_range: the values that become 0 and 1; all others are cut to these. None for what the type says.
    """
    if value_range is not None:
        # 16 bits are exact in float32; the difference of large numbers is not.
        low, high = value_range
        wide = values.astype(np.result_type(values.dtype, np.float32))
        return np.clip((wide - low) / (high - low), 0.0, 1.0).astype(np.float32)
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.itemsize == 1:
        return values
    if values.dtype.kind == "u":
        return values.astype(np.float32) / np.float32(65535)
    # What exceeds it by a rounding error was let through.
    return np.clip(values.astype(np.float32), 0.0, 1.0)


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Turn pixels of either type into float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Turn gray into RGB by repetition, and RGB into gray by ITU-R 601 luma.

    >>> to_channels(np.array([[[255, 0, 0]]], np.uint8), 1)
    array([[[76]]], dtype=uint8)

    Args:
        pixels: (..., height, width, 1 or 3), uint8 or float32.
        channels: 1 or 3.
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    if pixels.dtype == np.uint8:
        luma = (pixels.astype(np.uint32) @ _LUMA_16_BIT + 0x8000) >> 16
        return luma.astype(np.uint8)[..., np.newaxis]
    # The weights' sum is a rounding error above 1.
    return np.minimum(pixels @ _LUMA, np.float32(1.0))[..., np.newaxis]


def has_colors(pixels: np.ndarray) -> bool:
    """Whether anything is not gray.

    >>> has_colors(np.array([[[7, 7, 7]]], np.uint8)), has_colors(np.array([[[7, 7, 8]]], np.uint8))
    (False, True)

    Args:
        pixels: (..., 1 or 3).
    """
    return pixels.shape[-1] == 3 and bool((pixels[..., :1] != pixels[..., 1:]).any())


Size = tuple[int, int]


def stretch(image: np.ndarray, size: Size) -> np.ndarray:
    """Resize both sides to `size`, whatever that does to the proportions.

    >>> stretch(np.full((4, 6, 3), 7, np.uint8), (2, 5)).shape
    (2, 5, 3)

    Args:
        image: (height, width, 1 or 3), uint8 or float32 in [0, 1].
        size: height and width in pixels.
    """
    return _per_plane(image, lambda plane: plane.resize(size[::-1], Image.Resampling.BICUBIC))


def crop(image: np.ndarray, size: Size) -> np.ndarray:
    """Scale until `size` is covered, then cut the middle: proportions stay, borders may go.

    >>> crop(np.full((4, 6, 3), 7, np.uint8), (2, 2)).shape
    (2, 2, 3)

    Args:
        image: (height, width, 1 or 3), uint8 or float32 in [0, 1].
        size: height and width in pixels.
    """
    return _per_plane(image, lambda plane: ImageOps.fit(plane, size[::-1], Image.Resampling.BICUBIC))


def cut_patch(image: np.ndarray, size: Size, place: tuple[float, float] | None = None) -> np.ndarray:
    """Cut `size` out without scaling.

    >>> cut_patch(np.arange(5, dtype=np.uint8).reshape(1, 5, 1), (1, 3)).ravel()
    array([1, 2, 3], dtype=uint8)

    Args:
        image: (height, width, channels), at least as large as `size`.
        size: height and width in pixels.
        place: where to cut, from (0, 0), top left, to just below (1, 1), bottom right; None cuts the middle.
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
