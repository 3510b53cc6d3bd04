"""Lets a program end while a stream is still reading ahead.

Streams read on TensorFlow's threads. Once the interpreter shuts down, Python ends such a thread wherever it stands, and
TensorFlow then waits for its batch for ever. So before that, new reads are refused and those under way are waited for.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# How long no read may begin before the interpreter may shut down. A stream whose reads are refused fills its few
# places ahead in far less time, and then asks for no more.
_QUIET_SECONDS = 0.05


class _Reads:
    """Counts the reads under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._last_change = 0.0
        self._ending = False

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count what is done in the block as one read; refuse it when the program ends."""
        self._change(+1)
        try:
            if self._ending:
                raise RuntimeError("the program is ending")
            yield
        finally:
            self._change(-1)

    def stop(self) -> None:
        """Refuse new reads; wait for those under way, and until no more are asked for."""
        self._ending = True
        self._change(0)
        while self._under_way or time.monotonic() < self._last_change + _QUIET_SECONDS:
            time.sleep(_QUIET_SECONDS / 10)

    def _change(self, by: int) -> None:
        with self._lock:
            self._under_way += by
            self._last_change = time.monotonic()


_reads = _Reads()
atexit.register(_reads.stop)
counted_read = _reads.counted
