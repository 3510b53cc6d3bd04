"""Stop signals as wishes to stop, taken up between two calls of the step."""

from __future__ import annotations

import signal
from types import FrameType

from cae.stop_handler import StopHandler, meaning


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
