"""What the layers must compute, in NumPy and plain loops."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def scrambled(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Distinct values around zero in random order, a tie in the first two pixels excepted."""
    values = np.random.default_rng(seed).permutation(np.prod(shape)).reshape(shape).astype("float32")
    values -= values.mean().round()
    if values.ndim == 4 and values.shape[2] > 1:
        values[:, 0, 1] = values[:, 0, 0]
    return values


def window_cells(size: int, pool_size: int) -> list[list[tuple[int, int]]]:
    """For each window along one axis: pairs of pixel and position within the window, padding left out."""
    count = -(-size // pool_size)
    start = -((pool_size * count - size) // 2)
    windows = []
    for window in range(count):
        pixels = [(start + window * pool_size + position, position) for position in range(pool_size)]
        windows.append([(pixel, position) for pixel, position in pixels if 0 <= pixel < size])
    return windows


def windows(height: int, width: int, pool_size: int) -> Iterator[tuple[int, int, dict[int, tuple[int, int]]]]:
    """For each window: row, column, and the pixel at each row-major position that is not padding."""
    for i, rows in enumerate(window_cells(height, pool_size)):
        for j, columns in enumerate(window_cells(width, pool_size)):
            yield i, j, {a * pool_size + b: (y, x) for y, a in rows for x, b in columns}


def max_pool(images: np.ndarray, pool_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Maxima of SAME windows, and the positions of the first of them as `numpy.argmax` finds it."""
    batch, height, width, channels = images.shape
    shape = (batch, -(-height // pool_size), -(-width // pool_size), channels)
    pooled, switches = np.zeros(shape, images.dtype), np.zeros(shape, "uint8")
    for i, j, pixels in windows(height, width, pool_size):
        for n in range(batch):
            for c in range(channels):
                values = [images[n, y, x, c] for y, x in pixels.values()]
                first = int(np.argmax(values))
                pooled[n, i, j, c] = values[first]
                switches[n, i, j, c] = list(pixels)[first]
    return pooled, switches


def shared_switches(images: np.ndarray, pool_size: int) -> np.ndarray:
    """The first position of each window whose sum over channels is the largest, shape (batch, ..., ..., 1)."""
    return max_pool(images.sum(axis=-1, keepdims=True), pool_size)[1]


def unpool(values: np.ndarray, switches: np.ndarray, pool_size: int, size: tuple[int, int]) -> np.ndarray:
    """Zeros, but for each value at its switch."""
    batch, _, _, channels = values.shape
    images = np.zeros((batch, *size, channels), values.dtype)
    for i, j, pixels in windows(*size, pool_size):
        for n in range(batch):
            for c in range(channels):
                if switches[n, i, j, c] in pixels:
                    y, x = pixels[switches[n, i, j, c]]
                    images[n, y, x, c] = values[n, i, j, c]
    return images


def gather(images: np.ndarray, switches: np.ndarray, pool_size: int) -> np.ndarray:
    """What stands at the switches."""
    values = np.zeros(switches.shape, images.dtype)
    for i, j, pixels in windows(*images.shape[1:3], pool_size):
        for n in range(images.shape[0]):
            for c in range(images.shape[3]):
                if switches[n, i, j, c] in pixels:
                    y, x = pixels[switches[n, i, j, c]]
                    values[n, i, j, c] = images[n, y, x, c]
    return values


def middle(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`images` cropped to `size`, half of the surplus (rounded down) from the top and left."""
    top, left = ((full - target) // 2 for full, target in zip(images.shape[1:3], size, strict=True))
    return images[:, top : top + size[0], left : left + size[1]]
