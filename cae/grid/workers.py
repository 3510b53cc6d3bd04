"""The process of each run of a grid, and the pipe that stops it."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from cae.commands.main import main
from cae.stop_handler import StopHandler, meaning, stop_signals


def train_as_child(arguments: Sequence[str], stops: int = 0) -> int:
    """Train; the first argument is the process id of the grid, the others are those of `cae train`.

    Args:
        arguments: From the command line.
        stops: File descriptor of the pipe from the grid.
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
        command = [sys.executable, "-m", "cae.grid.workers", str(os.getpid()), *map(str, arguments)]
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
