"""The process of one run of a grid: `python -m cae.grid.child PARENT CONFIG ...` is `cae train CONFIG ...`.

A stop reaches it up to three times: from the terminal or the scheduler, which mean every process, from the grid, which
passes its own on, and once more from an impatient user. Only the first may count, since the second of an ordinary
training ends it in the middle of its checkpoint. Therefore SIGINT and SIGTERM are blocked from the start (by the grid,
so that there is no moment without), and looked for. The end of the grid's own process counts as SIGTERM.
"""

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

STOPS = (signal.SIGINT, signal.SIGTERM)


def train_as_child(arguments: Sequence[str]) -> int:
    """Train; the first argument is the process id of the grid, the others are those of `cae train`."""
    parent, *rest = arguments
    for number in STOPS:  # until training has its own
        signal.signal(number, _end)
    if hasattr(signal, "sigpending"):  # not on Windows, where nothing can be blocked
        threading.Thread(target=_deliver_first_stop, args=(int(parent),), daemon=True).start()
    return main(["train", *rest])


def _deliver_first_stop(parent: int) -> None:
    while os.getppid() == parent and signal.sigpending().isdisjoint(STOPS):
        time.sleep(0.1)
    pending = signal.sigpending()
    _thread.interrupt_main(signal.SIGINT if signal.SIGINT in pending else signal.SIGTERM)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(train_as_child(sys.argv[1:]))
