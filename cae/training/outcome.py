"""How a training ends, and the signals that end it early."""

from __future__ import annotations

import enum
import signal
from types import FrameType

from cae.errors import UserError
from cae.stop_handler import StopHandler, meaning


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


class StopSignals(StopHandler):
    """Within the `with` block, remember a stop signal instead of dying; a second one of the kind ends at once.

    Example:
        >>> with StopSignals() as stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     stop.exit_code
        143
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM and what means the same: 128 + the number, as shells count it."""
        return 128 + (self.received or 0)

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Remember it."""
        self.received = meaning(number)
        signal.signal(number, self.previous[number])
