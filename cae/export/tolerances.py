"""How near an export's outputs come to the run's own, and whether that is near enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cae.measures.pixel_errors import PSNR_CAP

# Of the largest value, where that is above 1: float32 keeps 7 digits.
FLOAT_TOLERANCE = 1e-4
# Of 8-bit weights. 30 dB is an error of 3% of the output's range.
LEAST_PSNR = 30.0
MOST_SWITCHES = 0.05


@dataclass(frozen=True)
class Agreement:
    """What a comparison of one output has found.

    Args:
        output: its name.
        largest: largest absolute difference; of switches, between the values they choose.
        is_within: whether it is tolerated.
        sentence: what was found and what is tolerated.
    """

    output: str
    largest: float
    is_within: bool
    sentence: str

    def __str__(self) -> str:
        return f"{self.output}: {self.sentence}"


def compare_floats(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare float outputs, each value of which may be off by 1e-4.

    Example:
        >>> print(compare_floats("latent", np.array([0.0, 50.0]), np.array([0.0, 50.01])))
        latent: largest difference 1.0e-02, tolerated 5.0e-03

    Args:
        output: its name.
        expected: the run's own; where values are above 1, the tolerance is 1e-4 of the largest.
        found: the export's.
    """
    largest = _largest_difference(expected, found)
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
    sentence = f"largest difference {largest:.1e}, tolerated {tolerance:.1e}"
    return Agreement(output, largest, largest <= tolerance, sentence)


def compare_quantized(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare float outputs of a model with 8-bit weights: PSNR, with the range of the run's output as its peak.

    Example:
        >>> print(compare_quantized("reconstructions", np.array([0.0, 1.0]), np.array([0.1, 0.9])))
        reconstructions: PSNR 20.0 dB, tolerated from 30 dB (mean difference 1.0e-01, largest 1.0e-01)
    """
    difference = np.abs(expected.astype(np.float64) - found)
    mse, peak = float(np.mean(difference**2)), float(np.ptp(expected)) or 1.0
    psnr = PSNR_CAP if mse == 0 else float(np.minimum(PSNR_CAP, 10 * np.log10(peak**2 / mse)))  # NaN stays one
    sentence = (
        f"PSNR {psnr:.1f} dB, tolerated from {LEAST_PSNR:.0f} dB (mean difference {difference.mean():.1e},"
        f" largest {difference.max():.1e})"
    )
    return Agreement(output, float(difference.max()), psnr >= LEAST_PSNR, sentence)


def compare_switches(
    output: str, expected: np.ndarray, found: np.ndarray, values_at: Callable[[np.ndarray], np.ndarray]
) -> Agreement:
    """Compare switches by the values they choose.

    Where two values of a window are equal up to rounding, either may be its maximum: another order of additions
    decides. A switch is wrong when what it chooses is not the maximum.

    Args:
        output: its name.
        expected: the run's own.
        found: the export's.
        values_at: the values, of those that were pooled, at switches.
    """
    compared = compare_floats(output, values_at(expected), values_at(found))
    number = int(np.sum(expected != found))
    sentence = f"{number:,} of {expected.size:,} differ"
    if number:
        sentence += f"; their values: {compared.sentence}"
    return Agreement(output, compared.largest, compared.is_within, sentence)


def compare_quantized_switches(output: str, expected: np.ndarray, found: np.ndarray) -> Agreement:
    """Compare switches of a model with 8-bit weights: at most 5% may differ."""
    share = float(np.mean(expected != found))
    sentence = f"{share:.2%} differ, tolerated up to {MOST_SWITCHES:.0%}"
    return Agreement(output, share, share <= MOST_SWITCHES, sentence)


def _largest_difference(expected: np.ndarray, found: np.ndarray) -> float:
    difference = np.abs(expected.astype(np.float64) - found)
    return float(np.where(np.isnan(difference), np.inf, difference).max())
