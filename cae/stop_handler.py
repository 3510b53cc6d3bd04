"""SIGINT and SIGTERM, handled for a while."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

STOPS = (signal.SIGINT, signal.SIGTERM)


class StopHandler:
    """Within the `with` block, stop signals come here; afterwards they go to whoever had them before.

    Signals are the main thread's: in another, where Python code may train too, nothing is handled.
    """

    def __init__(self) -> None:
        self.previous: dict[int, Any] = {}

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Take up a signal; runs between two instructions of the main thread."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in STOPS:
                self.previous[number] = signal.getsignal(number)  # before one can come
                signal.signal(number, self.on_stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
