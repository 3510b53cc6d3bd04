"""Images that cannot be read while training goes on, and reads that are under way when the program ends."""

from __future__ import annotations

import atexit
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from cae.errors import UserError

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


_kept: dict[str, UserError] = {}
_numbers = itertools.count()


def guard_reads(read: Callable[[int], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Wrap a function for `tf.numpy_function`: `user_errors` will find its `UserError`, and the program may end."""

    def guarded(step: np.ndarray) -> np.ndarray:
        with counted_read():
            try:
                return read(int(step))
            except UserError as error:
                word = f"<read failure {next(_numbers)}>"
                _kept[word] = error
                # Without a cause, TensorFlow's log has no second traceback.
                raise RuntimeError(word) from None

    return guarded


@contextmanager
def user_errors() -> Iterator[None]:
    """Raise the `UserError` itself when a pipeline in the block failed because of one; leave all other errors alone.

    Wrap it round every loop over batches:

    >>> from cae.data.array_set import ArraySet
    >>> from cae.data.pipeline import make_batches
    >>> with user_errors():
    ...     for batch in make_batches(ArraySet(np.zeros((5, 4, 4), np.uint8)), batch_size=2):
    ...         print(batch.shape)
    (2, 4, 4, 1)
    (2, 4, 4, 1)
    (1, 4, 4, 1)
    """
    try:
        yield
    except tf.errors.OpError as error:
        word = next((word for word in _kept if word in str(error)), None)
        if word is None:
            raise
        raise _kept.pop(word) from None
