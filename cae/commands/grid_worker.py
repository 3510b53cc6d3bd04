"""The process of one run of a grid: `train`, which stops when the grid says so on a pipe, and when the grid is gone."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

from cae.commands.main import main
from cae.stop_handler import meaning, stop_signals


def train_as_child(arguments: Sequence[str], stops: int = 0) -> int:
    """Train; the first argument is the process id of the grid, the others are those of `cae train`.

    Args:
        arguments: from the command line.
        stops: file descriptor of the pipe from the grid.
    """
    parent, *rest = arguments
    numbers = stop_signals()
    for number in numbers:  # until training has its own
        signal.signal(number, _end)
    first = _First()
    threading.Thread(target=_obey, args=(stops, first), daemon=True).start()
    if hasattr(signal, "sigpending"):  # not on Windows
        threading.Thread(target=_look, args=(int(parent), numbers, first), daemon=True).start()
    return main(["train", *rest])


class _First:
    """Delivers a stop to the main thread, once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def deliver(self, number: int) -> None:
        if self._lock.acquire(blocking=False):
            _thread.interrupt_main(signal.Signals(number))


def _obey(stops: int, first: _First) -> None:
    """Wait for what the grid says, or for its end."""
    try:
        said = os.read(stops, 1)
    except OSError:
        said = b""
    first.deliver(said[0] if said and said[0] in (signal.SIGINT, signal.SIGTERM) else signal.SIGTERM)


def _look(parent: int, numbers: Sequence[int], first: _First) -> None:
    """Look for blocked signals, and for another parent than the grid."""
    while os.getppid() == parent and signal.sigpending().isdisjoint(numbers):
        time.sleep(0.1)
    pending = signal.sigpending()
    first.deliver(signal.SIGINT if signal.SIGINT in pending else signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + meaning(number))


if __name__ == "__main__":
    sys.exit(train_as_child(sys.argv[1:]))
