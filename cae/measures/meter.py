"""All measures of checkerboards in pictures, over a stream of batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cae.measures.spectrum import (
    PERIODS_NEEDED,
    ROUNDING_POWER,
    amplitude_squared,
    expected_from_noise,
    harmonic_power,
    phase_means,
    power_spectrum,
    prominence_in_db,
    transformed_at_once,
)


class ArtefactMeter:
    """Measures checkerboards in reconstructions; memory does not grow with their number.

    Every measure is made of means over images. A period that the pictures are too small for is left out: the
    amplitudes need one period a side, the prominence four.

    Example:
        >>> meter = ArtefactMeter()
        >>> images = np.random.default_rng(1).random((8, 16, 17, 3))
        >>> meter.add(images, images)
        >>> meter.result()["phase_amplitude"]
        {'2': 0.0, '4': 0.0}

    Args:
        periods: the patterns' periods in pixels; 2 for the last upsampling by 2, 4 for the one before.
    """

    def __init__(self, periods: Sequence[int] = (2, 4)) -> None:
        self._periods = tuple(periods)
        self._num_images = 0
        self._sums: dict[tuple[str, int], Any] = {}
        self._shape: tuple[int, ...] | None = None

    def add(self, images: Any, reconstructions: Any) -> None:
        """Measure a batch.

        Args:
            images: pixels in [0, 1], (batch, height, width, channels); the same but for the batch in every call.
            reconstructions: the same shape.

        Raises:
            ValueError: the shapes are others.
        """
        images, reconstructions = np.asarray(images), np.asarray(reconstructions)
        self._check(images.shape, reconstructions.shape)
        for part in transformed_at_once(images.shape):
            self._add(reconstructions[part].astype(np.float64) - images[part].astype(np.float64))

    def result(self) -> dict[str, Any]:
        """What was measured so far, as plain finite numbers.

        Returns:
            `phase_amplitude`: for each period the root mean square over images of `phase_amplitude`.
            `phase_amplitude_noise`: what it would be if each residual were white noise of its own variance.
            `phase_amplitude_shared`: for each period the amplitude of the residuals' mean over images, the part of
            the pattern that all images have alike; at most `phase_amplitude`.
            `prominence_db`: for each period `grid_prominence` of all residuals.

        Raises:
            ValueError: nothing was measured.
        """
        small = min(self._measured_shape()[:2])
        seen = [period for period in self._periods if period <= small]
        clear = [period for period in seen if PERIODS_NEEDED * period <= small]

        def each(periods: Sequence[int], measure: Callable[[int], Any]) -> dict[str, float]:
            return {str(period): float(measure(period)) for period in periods}

        return {
            "phase_amplitude": each(seen, lambda s: np.sqrt(self._mean("amplitude_squared", s))),
            "phase_amplitude_noise": each(seen, lambda s: np.sqrt(self._mean("noise", s))),
            "phase_amplitude_shared": each(seen, lambda s: np.sqrt(amplitude_squared(self._mean("means", s)))),
            "prominence_db": each(clear, lambda s: prominence_in_db(self._mean("harmonics", s))),
        }

    def residual_spectrum_db(self) -> np.ndarray:
        """Mean power spectrum of the residuals in dB, (height, width), frequency zero at [height // 2, width // 2].

        0 dB is the power of white noise of variance 1; nothing is below that of 8-bit rounding, -58.9 dB.
        """
        self._measured_shape()
        return np.fft.fftshift(10.0 * np.log10(self._mean("spectrum") + ROUNDING_POWER))

    def _check(self, shape: tuple[int, ...], other: tuple[int, ...]) -> None:
        expected = self._shape or shape[1:]
        if len(shape) != 4 or shape != other or shape[1:] != expected:
            raise ValueError(
                "`images` and `reconstructions` must be (batch, height, width, channels) of one shape, and of one"
                f" size in every batch. Received: shapes {shape} and {other}, expected pictures of {expected}."
            )
        self._shape = expected

    def _measured_shape(self) -> tuple[int, ...]:
        if self._shape is None or self._num_images == 0:
            raise ValueError("No images were measured.")
        return self._shape

    def _add(self, residuals: np.ndarray) -> None:
        height, width = residuals.shape[1:3]
        variance = residuals.var(axis=(1, 2)).mean(axis=1)
        for period in self._periods:
            if period <= min(height, width):
                means = phase_means(residuals, period)
                self._accumulate("means", means, period)
                self._accumulate("amplitude_squared", amplitude_squared(means), period)
                self._accumulate("noise", expected_from_noise(variance, height, width, period), period)
            if PERIODS_NEEDED * period <= min(height, width):
                self._accumulate("harmonics", harmonic_power(residuals, period), period)
        self._accumulate("spectrum", power_spectrum(residuals))
        self._num_images += len(residuals)

    def _accumulate(self, name: str, values: np.ndarray, period: int = 0) -> None:
        """Add up values whose first axis is images."""
        self._sums[name, period] = self._sums.get((name, period), 0.0) + values.sum(axis=0)

    def _mean(self, name: str, period: int = 0) -> Any:
        return self._sums[name, period] / self._num_images
