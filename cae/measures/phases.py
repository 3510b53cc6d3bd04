"""How strong the part of the error is that repeats with the upsampling's period."""

from __future__ import annotations

from typing import Any

import numpy as np


def phase_means(residuals: Any, period: int) -> np.ndarray:
    """Mean over the pixels of each phase: (batch, period, period, channels), float64.

    Pixel (i, j) has phase (i mod period, j mod period). Every pixel counts: where a side is no multiple of the
    period, some phases have more pixels than others.

    Raises:
        ValueError: residuals that are no pictures, or smaller than one period.
    """
    residuals = np.asarray(residuals, np.float64)
    if residuals.ndim != 4 or min(residuals.shape[1:3]) < period:
        raise ValueError(
            f"`residuals` must be (batch, height, width, channels), with sides of at least the period, {period}."
            f" Received: shape {residuals.shape}."
        )
    rows = [[residuals[:, a::period, b::period].mean(axis=(1, 2)) for b in range(period)] for a in range(period)]
    return np.array(rows).transpose(2, 0, 1, 3)


def amplitude_squared(means: np.ndarray) -> np.ndarray:
    """Square of the amplitude A_s of patterns that are given by their phase means."""
    return means.var(axis=(-3, -2)).mean(axis=-1)


def phase_amplitude(residuals: Any, period: int) -> np.ndarray:
    """Phase-locked amplitude A_s of each image's residual.

    A_s is the root mean square over channels of the spread of the phase means: their population standard
    deviation over the s^2 phases. A pattern e (-1)^(i+j) has A_2 = e, wherever it begins; A_4 takes in all that
    A_2 sees. By Parseval's theorem A_s^2 is the power of the residual at the harmonics (k/s, l/s) divided by the
    number of pixels, and every residual has some there. White noise has the amount of `expected_from_noise`; an
    image that lost its fine detail may have more without any checkerboard, which `grid_prominence` tells apart.

    Example:
        >>> i, j = np.indices((5, 7))
        >>> round(phase_amplitude(0.25 * (-1.0) ** (i + j)[None, :, :, None], 2).item(), 12)
        0.25

    Args:
        residuals: reconstructions minus images, (batch, height, width, channels).
        period: s, in pixels, at least 2; no more than height and width.

    Returns:
        float64, (batch,), in the pixels' unit.

    Reference:
        The pattern is that of Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts".
    """
    return np.sqrt(amplitude_squared(phase_means(residuals, period)))


def expected_from_noise(variance: Any, height: int, width: int, period: int) -> Any:
    """Expectation of A_s^2 when the residual is white noise: variance * (s^2 - 1) / (height * width).

    The mean over the n pixels of a phase has variance `variance` / n, and the spread over s^2 phases is 1 - 1/s^2
    of that. Where a side is no multiple of s, n differs between phases, and the mean of 1 / n over phases makes the
    expectation a little larger.

    Example:
        >>> round(expected_from_noise(1.0, 8, 10, 2), 6)  # 3 / 80
        0.0375

    Args:
        variance: of the noise, sigma^2; a number or an array.
        height: of the pictures, in pixels.
        width: of the pictures, in pixels.
        period: s, in pixels.
    """
    down, across = (
        sum(1.0 / len(range(phase, side, period)) for phase in range(period)) / period for side in (height, width)
    )
    return variance * (1.0 - 1.0 / period**2) * down * across
