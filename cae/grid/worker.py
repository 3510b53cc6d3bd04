"""The process that runs of a grid share: trains one after another, until the grid says stop on a pipe, or is gone."""

from __future__ import annotations

import _thread
import contextlib
import gc
import importlib
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from cae.engine import JOBS
from cae.machine import held_memory, this_machine
from cae.messages import named_lines
from cae.stop_handler import meaning, stop_signals

# A process that holds so much more than after its first run is given up, and another one trains the next.
MOST_GROWTH = 512 * 2**20


def train_as_child(arguments: Sequence[str], orders: int = 0, answers: int = 1) -> int:
    """Train; says with an empty line that a run ended well and another can follow, and waits for it.

    Args:
        arguments: from the command line: the process id of the grid, `module:function` of the program that trains, and
            the first run's words; those of the others come from the grid, a list in JSON on a line.
        orders: file descriptor of the pipe from the grid.
        answers: that of the pipe to the grid.

    Returns:
        The exit code of the last run.
    """
    parent, program, *words = arguments
    module, _, name = program.partition(":")
    numbers = stop_signals()
    for number in numbers:  # until training has its own
        signal.signal(number, _end)
    runs: queue.SimpleQueue[list[str] | None] = queue.SimpleQueue()
    first = _First(runs)
    threading.Thread(target=_obey, args=(orders, first, runs), daemon=True).start()
    if hasattr(signal, "sigpending"):  # not on Windows
        threading.Thread(target=_look, args=(int(parent), numbers, first), daemon=True).start()
    # Results go to stdout, and of one run that is its folder, which the grid knows.
    answers, nowhere = os.dup(answers), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    held = None
    while True:
        sys.argv[1:] = words
        side_by_side = int(os.environ.get(JOBS, "1")) > 1
        messages = named_lines(sys.stderr, Path(words[0]).stem) if side_by_side else sys.stderr
        with contextlib.redirect_stderr(messages):
            exit_code: int = getattr(importlib.import_module(module), name)(["train", *words])
        for number in numbers:
            signal.signal(number, _end)
        _tidy()
        now = held_memory(this_machine())
        held = held or now
        if exit_code or now is None or held is None or now > held + MOST_GROWTH:
            return exit_code
        os.write(answers, b"\n")
        following = runs.get()
        if following is None:
            return exit_code
        words = following


def _tidy() -> None:
    """Let the next run find what it would in a process of its own: Keras' names, settings and seeds, and memory."""
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
    gc.collect()
    # Each run reports its own peak of memory, so the system counts anew.
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")


class _First:
    """Delivers a stop to the main thread, once, also where that waits for a run."""

    def __init__(self, runs: queue.SimpleQueue[list[str] | None]) -> None:
        self._runs = runs
        self._lock = threading.Lock()

    def deliver(self, number: int) -> None:
        if self._lock.acquire(blocking=False):
            _thread.interrupt_main(signal.Signals(number))
            self._runs.put(None)


def _obey(orders: int, first: _First, runs: queue.SimpleQueue[list[str] | None]) -> None:
    """Take runs from the grid, and wait for what it says, or for its end."""
    line = b""
    while True:
        try:
            said = os.read(orders, 4096)
        except OSError:
            said = b""
        stops = [number for number in said if number in (signal.SIGINT, signal.SIGTERM)]
        if stops or not said:
            first.deliver(stops[0] if stops else signal.SIGTERM)
            return
        *lines, line = (line + said).split(b"\n")
        for one in lines:
            runs.put(json.loads(one))


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
