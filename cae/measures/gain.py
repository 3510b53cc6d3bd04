"""How unevenly an upsampling layer answers a constant input: its DC gain over output phases.

A layer that enlarges s times treats output pixel (i, j) according to its phase (i mod s, j mod s). A constant
input comes out constant only if the gain is the same in every phase; otherwise a pattern of period s appears.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def phase_gains(kernel: Any, strides: int) -> np.ndarray:
    """Sum a kernel's taps at each output phase.

    This is what each output phase of a transposed convolution with these strides makes of a constant input, away
    from the borders; likewise of a convolution behind unpooling to a fixed place in each window, whose zeros leave
    each phase every s-th tap. Which phase comes first depends on padding and cropping; the measures do not.

    Example:
        >>> phase_gains(np.ones((3, 3, 1, 1)), 2)[:, :, 0, 0].tolist()
        [[4.0, 2.0], [2.0, 1.0]]

    Args:
        kernel: shape (kernel height, kernel width, channels, channels), in either order of channels.
        strides: of the transposed convolution, or the side of the unpooled window; at least 1.

    Returns:
        float64, (strides, strides, channels, channels). A kernel smaller than the strides leaves phases at zero.
    """
    taps = np.asarray(kernel, np.float64)
    if taps.ndim != 4:
        raise ValueError(f"`kernel` must have four axes. Received: shape {taps.shape}.")
    if strides < 1:
        raise ValueError(f"`strides` must be at least 1. Received: strides={strides}.")
    rows = [[taps[a::strides, b::strides].sum(axis=(0, 1)) for b in range(strides)] for a in range(strides)]
    return np.array(rows)


def unevenness(gains: Any) -> float:
    """Unevenness U of the DC gain G over output phases: ||G - mean G|| / ||mean G||.

    G of a phase is the matrix of gains from each input to each output channel; the mean is over phases, the norms
    over phases and channels (each the root of the mean over phases of squared Frobenius norms). 0 means that a
    constant input comes out constant.

    U has two causes. Uneven overlap: with equal taps, stride 2 and a kernel of
    3x3, U is 0.4843, of 5x5 0.2857, of 4x4 0. And unlike phases: independent random taps make each phase a filter
    of its own, which gives about sqrt(s^2 - 1), 1.73 for stride 2, whatever the size of the kernel.
    `overlap_unevenness` tells the first cause from the second.

    Example:
        >>> round(unevenness(phase_gains(np.ones((3, 3, 1, 1)), 2)), 4)
        0.4843
        >>> unevenness(phase_gains(np.ones((4, 4, 8, 3)), 2))
        0.0

    Args:
        gains: shape (phases down, phases across, channels, channels).

    Returns:
        U, at least 0; infinite when the mean is zero but the gains are not; 0 when all gains are zero.

    Reference:
        Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", on overlap; Aitken et al. 2017,
        "Checkerboard artifact free sub-pixel convolution", on random starts; Sugawara, Shiota and Kiya 2019,
        "Checkerboard artifacts free convolutional neural networks", on conditions for none.
    """
    gains = np.asarray(gains, np.float64)
    mean = gains.mean(axis=(0, 1))
    spread = np.sum((gains - mean) ** 2, axis=(2, 3)).mean()
    return _ratio(math.sqrt(spread), float(np.linalg.norm(mean)))


def overlap_unevenness(gains: Any) -> float:
    """Unevenness of the gain's strength over output phases: std ||G|| / mean ||G||.

    ||G|| of a phase is the Frobenius norm over its channels: how strongly it answers constant inputs on average,
    whatever it makes of them. At most `unevenness`, and equal to it where the phases' gains differ by positive
    factors only, as with equal taps. On a random start it still orders kernels as their overlap does: for stride 2
    and many channels 0.24 with 3x3, 0.14 with 5x5, near 0 with 4x4.

    Example:
        >>> round(overlap_unevenness(phase_gains(np.ones((3, 3, 1, 1)), 2)), 4)
        0.4843
        >>> kernel = np.random.default_rng(1).normal(size=(4, 4, 64, 64))
        >>> overlap_unevenness(phase_gains(kernel, 2)) < 0.02 < unevenness(phase_gains(kernel, 2))
        True

    Args:
        gains: shape (phases down, phases across, channels, channels).

    Returns:
        At least 0; 0 when all gains are zero.

    Reference:
        Odena, Dumoulin and Olah 2016, "Deconvolution and Checkerboard Artifacts", section "Deconvolution & Overlap".
    """
    strengths = np.linalg.norm(np.asarray(gains, np.float64), axis=(2, 3))
    return _ratio(float(strengths.std()), float(strengths.mean()))


def _ratio(spread: float, mean: float) -> float:
    if spread == 0.0:
        return 0.0
    return spread / mean if mean > 0.0 else math.inf
