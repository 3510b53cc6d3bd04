"""Power spectra of pictures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# The variance of rounding to 8 bits, hence the power of a picture's finest visible noise at every frequency.
# Added to a power before dividing by it, it keeps flat and identical pictures finite, and changes no other.
ROUNDING_POWER = (1.0 / 255.0) ** 2 / 12.0

# Pixels times channels that are transformed at a time, 8 MB in float64.
_VALUES_AT_ONCE = 2**20


def hann_window(size: int) -> np.ndarray:
    """Hann window that is symmetric, nowhere zero, and has a sum of squares of one.

    A picture ends abruptly, which would spill power along both axes of its spectrum. The window keeps a pattern's
    line within two bins of its frequency and lets the spill of everything else fall off with the third power.

    Reference:
        Harris 1978, "On the use of windows for harmonic analysis with the discrete Fourier transform", section V.
    """
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * (np.arange(size) + 0.5) / size)
    return window / np.linalg.norm(window)


def power_spectrum(pictures: np.ndarray) -> np.ndarray:
    """Power of each picture at the frequencies of its discrete Fourier transform, mean over channels.

    White noise has its variance as its power at every frequency.

    Args:
        pictures: float64, (batch, height, width, channels).

    Returns:
        float64, (batch, height, width); frequencies as `np.fft.fftfreq` orders them.
    """
    height, width = pictures.shape[1:3]
    window = hann_window(height)[:, None, None] * hann_window(width)[:, None]
    spectrum = np.fft.fft2(pictures * window, axes=(1, 2))
    return (spectrum.real**2 + spectrum.imag**2).mean(axis=3)


def transformed_at_once(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut a batch into parts whose spectra take little memory.

    Args:
        shape: (batch, height, width, channels).
    """
    at_once = max(1, _VALUES_AT_ONCE // max(1, int(np.prod(shape[1:]))))
    return (slice(first, first + at_once) for first in range(0, shape[0], at_once))
