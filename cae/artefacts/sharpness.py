"""How much of an image's fine detail its reconstruction keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from cae.artefacts.spectrum import ROUNDING_POWER, power_spectrum, transformed_at_once


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
