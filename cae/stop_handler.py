"""Signals that ask a program to end, handled for a while."""

from __future__ import annotations

import abc
import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

# What a program gets when its terminal goes: a closed ssh, a closed window. Each system has its own.
_HANGUPS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGBREAK") if hasattr(signal, name))


def stop_signals() -> tuple[int, ...]:
    """SIGINT, SIGTERM, and that of a terminal that goes; the last not where it is ignored, as `nohup` has it."""
    hangups = (number for number in _HANGUPS if signal.getsignal(number) != signal.SIG_IGN)
    return (signal.SIGINT, signal.SIGTERM, *hangups)


def meaning(number: int) -> int:
    """SIGINT or SIGTERM: the end of a terminal ends what runs in it like SIGTERM."""
    return signal.SIGTERM if number in _HANGUPS else number


class StopHandler(abc.ABC):
    """Within the `with` block, stop signals come here; afterwards the handlers from before get them again.

    Signals are the main thread's: in another, where Python code may train too, nothing is handled.
    """

    def __init__(self) -> None:
        self.previous: dict[int, Any] = {}

    @abc.abstractmethod
    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Take up a signal; runs between two instructions of the main thread."""

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in stop_signals():
                self.previous[number] = signal.getsignal(number)  # before one can come
                signal.signal(number, self.on_stop)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)
