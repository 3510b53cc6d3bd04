"""How a training can end."""

from __future__ import annotations

import enum

from cae.errors import UserError


class Outcome(enum.Enum):
    """The `status` of summary.json."""

    FINISHED = "finished"
    STOPPED_EARLY = "stopped_early"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


class NonFiniteLossError(UserError):
    """The loss is NaN or infinite."""

    def __init__(self, step: int, epoch: int) -> None:
        super().__init__(
            f"The loss is no longer finite at step {step} (epoch {epoch}). The last checkpoint is kept."
            " A lower training.optimizer.learning_rate, training.global_clipnorm or another precision may help."
        )
        self.step = step
