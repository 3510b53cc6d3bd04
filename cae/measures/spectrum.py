"""Power spectra of pictures: fine detail that is kept, a grid in the error, and its part that repeats with a period."""

from __future__ import annotations

from collections.abc import Iterator
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


# The variance of rounding to 8 bits, hence the power of a picture's finest visible noise at every frequency.
# Added to a power before dividing by it, it keeps flat and identical pictures finite, and changes no other.
ROUNDING_POWER = (1.0 / 255.0) ** 2 / 12.0

# Pixels times channels that are transformed at a time, 8 MB in float64.
_VALUES_AT_ONCE = 2**20

# The ring's distance from a harmonic in bins, of 1/height and 1/width: the first that a line does not reach
# through the window.
_RING = 2
_OFFSETS = np.array([-_RING, 0, _RING])
# Harmonics must be far enough apart for a ring to keep clear of the next one.
PERIODS_NEEDED = 2 * _RING


def high_frequency_ratio(images: Any, reconstructions: Any) -> np.ndarray:
    """Energy of each reconstruction above half the Nyquist frequency, over that of its image.

        ratio = (E(reconstruction) + r) / (E(image) + r)
        E = mean over all frequencies of the power where sqrt(fy^2 + fx^2) > 1/4 cycle per pixel, 0 elsewhere

    with the power averaged over channels, under a Hann window so that borders add none. r is the variance of
    rounding to 8 bits, 1.28e-6: a flat image has a finite ratio, which is 1 when its reconstruction is flat too. The
    ratio is 1 where the reconstruction is as sharp as its image, 0 where all fine detail is lost, and more than 1
    where detail, noise or a grid was added: it says how much there is, not whether it is right.

    Example:
        >>> image = np.random.default_rng(1).random((1, 16, 16, 3))
        >>> high_frequency_ratio(image, image / 2).round(3).tolist()
        [0.25]

    Args:
        images: pixels in [0, 1], (batch, height, width, channels).
        reconstructions: the same shape.

    Returns:
        float64, (batch,), finite.
    """
    images, reconstructions = np.asarray(images), np.asarray(reconstructions)
    if images.ndim != 4 or images.shape != reconstructions.shape:
        raise ValueError(
            "`images` and `reconstructions` must be (batch, height, width, channels) of one shape. "
            f"Received: shapes {images.shape} and {reconstructions.shape}."
        )
    return (_fine_energy(reconstructions) + ROUNDING_POWER) / (_fine_energy(images) + ROUNDING_POWER)


def _fine_energy(pictures: np.ndarray) -> np.ndarray:
    height, width = pictures.shape[1:3]
    is_fine = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)) > 0.25
    energy = np.empty(len(pictures))
    for part in transformed_at_once(pictures.shape):
        energy[part] = (power_spectrum(pictures[part].astype(np.float64)) * is_fine).mean(axis=(1, 2))
    return energy


def grid_prominence(residuals: Any, period: int) -> float:
    """Prominence in dB of the residuals' power spectrum at the harmonics of 1/period over the ring around them.

    With P the power spectrum of the residuals (Hann window, mean over images and channels), and d two bins:

        prominence = 10 log10 mean of P(k/s, l/s) / ring(k/s, l/s)  over the s^2 - 1 harmonics (k, l) != (0, 0)
        ring(u, v) = g(P(u +- d, v)) * g(P(u, v +- d)) / g(P(u +- d, v +- d)),  g the geometric mean

    The ring has eight points: two beside the harmonic in each direction, and four corners. Dividing by the corners
    makes it exact for every smooth background that is a product of a function of u and one of v, however steep.
    That matters: residuals of blurred photographs are strongest along both axes and fall towards the highest
    frequencies, and a plain mean over the ring took that for a grid, or for the opposite, by up to 10 dB. The
    spectrum is evaluated just where the harmonics are, between bins too, so that pictures of any size are used
    whole. The power of 8-bit rounding is added everywhere: what is below it is no grid that anyone can see.

    White noise and blur give 0 dB, with a scatter of about 5 / sqrt(images * channels) dB; fewer than some fifty
    images mean little. A pattern e (-1)^(i+j) in white noise of variance sigma^2 gives, for s = 2, about
    10 log10(1 + (4/27) * height * width * e^2 / sigma^2). The harmonics of 1/2 are also among those of 1/4.

    Example:
        >>> noise = np.random.default_rng(1).normal(0.0, 0.1, (400, 17, 20, 1))
        >>> i, j = np.indices((17, 20))
        >>> grid = 0.1 * (-1.0) ** (i + j)[:, :, None]
        >>> abs(grid_prominence(noise, 2)) < 1.0, grid_prominence(noise + grid, 2) > 15.0
        (True, True)

    Args:
        residuals: reconstructions minus images, (batch, height, width, channels).
        period: s, in pixels, at least 2; height and width must hold it four times.

    Returns:
        Decibels, finite.

    Raises:
        ValueError: residuals that are no pictures, or too small.

    Reference:
        Zhang, Karaman and Chang 2019, "Detecting and Simulating Artifacts in GAN Fake Images", and Durall, Keuper
        and Keuper 2020, "Watch your Up-Convolution": how upsampling shows in spectra. The ring is this program's.
    """
    return prominence_in_db(harmonic_power(residuals, period).mean(axis=0))


def harmonic_power(residuals: Any, period: int) -> np.ndarray:
    """Power at and around the harmonics of each residual less its mean, averaged over channels.

    Returns:
        float64, (batch, period, 3, period, 3): harmonic and offset down, harmonic and offset across.
    """
    residuals = np.asarray(residuals, np.float64)
    if residuals.ndim != 4 or min(residuals.shape[1:3]) < PERIODS_NEEDED * period:
        raise ValueError(
            f"`residuals` must be (batch, height, width, channels), with sides of at least {PERIODS_NEEDED} periods"
            f" of {period}. Received: shape {residuals.shape}."
        )
    height, width = residuals.shape[1:3]
    residuals = residuals - residuals.mean(axis=(1, 2), keepdims=True)
    down, across = _waves(height, period), _waves(width, period)
    spectrum = np.einsum("uh,nhwc,vw->nuvc", down, residuals, across, optimize=True)
    power = (spectrum.real**2 + spectrum.imag**2).mean(axis=3)
    return power.reshape(-1, period, len(_OFFSETS), period, len(_OFFSETS))


def prominence_in_db(power: np.ndarray) -> float:
    """Prominence from the mean of `harmonic_power` over images."""
    level = np.log(power + ROUNDING_POWER)
    at, beside = level[:, 1, :, 1], level[:, ::2]
    ring = beside[:, :, :, 1].mean(axis=1) + level[:, 1, :, ::2].mean(axis=2) - beside[..., ::2].mean(axis=(1, 3))
    ratios = np.exp(at - ring).ravel()[1:]  # all but (0, 0)
    return float(10.0 * np.log10(ratios.mean()))


def _waves(size: int, period: int) -> np.ndarray:
    """Windowed waves (3 * period, size) of the frequencies at and around the harmonics."""
    frequencies = np.arange(period)[:, None] / period + _OFFSETS / size
    return hann_window(size) * np.exp(-2j * np.pi * frequencies.reshape(-1, 1) * np.arange(size))


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
