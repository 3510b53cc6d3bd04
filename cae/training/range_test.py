"""The learning-rate range test: one short training whose rate rises step by step (Smith 2017, section 3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.errors import ConfigError, UserError

if TYPE_CHECKING:
    from cae.training.train import Training

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 200
# Losses are averaged over this share of all steps.
_WINDOW = 0.05


def check_range(lowest: float, highest: float, steps: int) -> None:
    """Refuse rates between which nothing lies, and too few steps for them.

    Raises:
        ConfigError: says which.
    """
    if not 0 < lowest < highest < math.inf:
        raise ConfigError(
            f"The lowest rate must be above 0, and the highest above it. Received: {lowest:g}, {highest:g}."
        )
    if steps < 20:
        raise ConfigError(f"A range test needs at least 20 steps. Received: {steps}.")


@dataclass(frozen=True)
class RangeTest:
    """What a range test found.

    Args:
        rates: the learning rate of each step that was taken.
        losses: of the batch of each step, before the step.
        smoothed: the same, averaged over neighbouring steps.
        lowest_at: the rate at which the smoothed loss is lowest.
        suggestion: a tenth of that, to two digits.
    """

    rates: list[float] = field(repr=False)
    losses: list[float] = field(repr=False)
    smoothed: list[float] = field(repr=False)
    lowest_at: float
    suggestion: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def run_range_test(
    training: Training,
    *,
    lowest: float = LOWEST,
    highest: float = HIGHEST,
    steps: int = STEPS,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> RangeTest:
    """Train on the training part from the first weights on, the rate rising exponentially, until the loss diverges.

    Args:
        training: nothing of its run directory is touched.
        lowest: the first rate.
        highest: the last rate.
        steps: at most so many are taken.
        progress: called with the number of steps done and the total.

    Raises:
        UserError: see `suggest`; or images cannot be read.
    """
    rates = np.geomspace(lowest, highest, steps).tolist()
    losses: list[float] = []
    for loss in training.losses_at(rates):
        if not math.isfinite(loss):
            break
        losses.append(loss)
        progress(len(losses), steps)
        if has_diverged(losses, steps):
            break
    progress(steps, steps)
    return suggest(rates[: len(losses)], losses, steps)


def has_diverged(losses: Sequence[float], steps: int) -> bool:
    """Whether the loss, averaged over the newest steps, is as far above that of the beginning as it was below.

    >>> falling = [1.0 - 0.01 * step for step in range(50)]
    >>> has_diverged(falling, 100), has_diverged([*falling, *([2.0] * 10)], 100)
    (False, True)
    """
    window = _width(steps)
    if len(losses) < 4 * window:
        return False
    means = np.convolve(losses, np.full(window, 1 / window), mode="valid")
    # The worst of the first batches, at rates that change nothing yet: they differ by themselves.
    worst = max(losses[: 4 * window])
    return bool(means[-1] > worst + (means[0] - means.min()))


def suggest(rates: Sequence[float], losses: Sequence[float], steps: int) -> RangeTest:
    """Suggest a tenth of the rate at which the loss is lowest: beyond it the loss rises, and before it falls fast.

    The rule is that of fast.ai's `lr_find` (Howard and Gugger 2020, "Deep Learning for Coders", chapter 13).

    >>> rates = np.geomspace(1e-4, 1.0, 100)
    >>> suggest(rates, (np.log10(rates) + 1.0) ** 2, 100).suggestion  # lowest at 0.1
    0.0098

    Args:
        rates: of each step.
        losses: of each step.
        steps: how many there were to be.

    Raises:
        UserError: the loss falls at no rate, or diverges before it has fallen.
    """
    window = _width(steps)
    if len(losses) < 2 * window:
        raise UserError(
            f"The loss was no finite number after {len(losses)} steps. Start from a lower one with --lowest."
        )
    # Each mean is over as many steps before as after; at both ends over fewer.
    weights = np.convolve(np.ones(len(losses)), np.ones(window), mode="same")
    smoothed = np.convolve(losses, np.ones(window), mode="same") / weights
    place = int(np.argmin(smoothed))
    if place < window:
        raise UserError(
            f"The loss falls at no rate from {rates[0]:.1e} to {rates[-1]:.1e}: there is nothing to suggest. Try"
            " other ones with --lowest and --highest, or more --steps."
        )
    lowest_at = rates[place]
    return RangeTest(
        [float(rate) for rate in rates],
        [float(loss) for loss in losses],
        smoothed.tolist(),
        float(lowest_at),
        float(f"{lowest_at / 10:.1e}"),
    )


def _width(steps: int) -> int:
    return max(3, round(_WINDOW * steps))
