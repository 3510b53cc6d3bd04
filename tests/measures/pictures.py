"""Pictures, blur and patterns for the tests of artefacts."""

import numpy as np


def smooth_pictures(number, height, width, channels=1, seed=0):
    """Random pictures in [0, 1] without any grid: white noise, blurred."""
    noise = np.random.default_rng(seed).normal(size=(number, height, width, channels))
    pictures = blurred(noise, 2)
    return np.clip(0.5 + 0.2 * pictures / pictures.std(), 0.0, 1.0)


def blurred(pictures, times=1):
    """Mean of each pixel and its neighbours, weights 1, 2, 1 in both directions, with the borders repeated."""
    for _ in range(times):
        for axis in (1, 2):
            pad = [(1, 1) if i == axis else (0, 0) for i in range(4)]
            n = pictures.shape[axis]
            before, here, after = (np.take(np.pad(pictures, pad, mode="edge"), range(k, k + n), axis) for k in range(3))
            pictures = (before + 2 * here + after) / 4
    return pictures


def checkerboard(height, width, channels=1):
    """(-1)^(i+j), shape (1, height, width, channels)."""
    i, j = np.indices((height, width))
    return np.repeat((-1.0) ** (i + j)[None, :, :, None], channels, axis=3)
