"""Start the processes of a grid's runs one after another, and pass stop signals on to the running one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from cae.stop_handler import StopHandler, meaning, stop_signals

_PACKAGE_PARENT = Path(__file__).parents[2]


class Children(StopHandler):
    """Within the `with` block, stop signals go to the running child, and this process waits for its end.

    >>> with Children() as children:
    ...     children.stop_signal is None
    True
    """

    def __init__(self) -> None:
        super().__init__()
        self.stop_signal: int | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def train(self, arguments: Sequence[str | Path]) -> int:
        """Run `cae train ARGUMENTS` to its end; returns the exit code, negative after a signal that killed it."""
        command = [sys.executable, "-m", "cae.grid.child", str(os.getpid()), *map(str, arguments)]
        with _stops_blocked():
            if self.stop_signal:
                return 128 + self.stop_signal
            # Results go to stdout, and of one run that is its folder, which is known here.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=_environment(),
                # On Windows: Ctrl-C in the console is for the grid alone, which passes it on.
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        try:
            return self._process.wait()
        finally:
            process, self._process = self._process, None
            if process.stdin is not None:
                process.stdin.close()

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Pass it on."""
        self.stop_signal = self.stop_signal or meaning(number)
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it has just ended
                os.write(self._process.stdin.fileno(), bytes([meaning(number)]))


@contextlib.contextmanager
def _stops_blocked() -> Iterator[None]:
    """What is started here has the stop signals blocked; this process gets them when the block ends."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment() -> dict[str, str]:
    """The child must find this package, and no other of its name in the current folder."""
    paths = [str(_PACKAGE_PARENT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONSAFEPATH": "1"}
