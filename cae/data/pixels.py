"""From stored values to pixels: types and channels."""

from __future__ import annotations

import numpy as np

# ITU-R 601 luma. The integer form is Pillow's: 16 fractional bits, rounded.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LUMA_16_BIT = np.array([19595, 38470, 7471], np.uint32)


def is_pixel_type(dtype: np.dtype) -> bool:
    """Whether `to_pixels` takes values of this type: bool, uint8, uint16, float16, float32, float64."""
    return dtype.kind == "b" or (dtype.kind, dtype.itemsize) in {("u", 1), ("u", 2), ("f", 2), ("f", 4), ("f", 8)}


def pixel_type(dtype: np.dtype) -> np.dtype:
    """The type that `to_pixels` gives: uint8 for up to 8 bits, float32 for more."""
    return np.dtype(np.uint8 if dtype.itemsize == 1 else np.float32)


def to_pixels(values: np.ndarray) -> np.ndarray:
    """Turn stored values into uint8 pixels, or into float32 pixels in [0, 1] where 8 bits are not enough.

    >>> to_pixels(np.array([0, 65535], np.uint16))
    array([0., 1.], dtype=float32)
    >>> to_pixels(np.array([False, True]))
    array([  0, 255], dtype=uint8)

    Args:
        values: bool, uint8, uint16 (of 65535), or floating point already in [0, 1]; any shape.
    """
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.itemsize == 1:
        return values
    if values.dtype.kind == "u":
        return values.astype(np.float32) / np.float32(65535)
    return values.astype(np.float32)


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
