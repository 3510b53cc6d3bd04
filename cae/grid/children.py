"""Start the processes of a grid's runs one after another, and pass stop signals on to the running one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

_STOPS = (signal.SIGINT, signal.SIGTERM)
_PACKAGE_PARENT = Path(__file__).parents[2]


class Children:
    """Within the `with` block, SIGINT and SIGTERM go to the running child, and this process waits for its end.

    Signals are the main thread's: in another none are passed on.

    >>> with Children() as children:
    ...     children.stop_signal is None
    True
    """

    def __init__(self) -> None:
        self.stop_signal: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._previous: dict[int, Any] = {}

    def train(self, arguments: Sequence[str | Path]) -> int:
        """Run `cae train ARGUMENTS` to its end; returns the exit code, negative after a signal that killed it."""
        command = [sys.executable, "-m", "cae.grid.child", str(os.getpid()), *map(str, arguments)]
        with _stops_blocked():
            if self.stop_signal:
                return 128 + self.stop_signal
            # Results go to stdout, and of one run that is its folder, which is known here.
            self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=_environment())
        try:
            return self._process.wait()
        finally:
            self._process = None

    def __enter__(self) -> Children:
        if threading.current_thread() is not threading.main_thread():
            return self
        for number in _STOPS:
            self._previous[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        self.stop_signal = self.stop_signal or number
        if self._process is not None:
            self._process.send_signal(number)


@contextlib.contextmanager
def _stops_blocked() -> Iterator[None]:
    """What is started here has the stop signals blocked; this process gets them when the block ends."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment() -> dict[str, str]:
    """The child must find this package, and no other of its name in the current folder."""
    paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
