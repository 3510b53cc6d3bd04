"""How an error that happens inside a `tf.data` pipeline reaches the user as itself.

TensorFlow turns any exception of a Python function into an error of its own, with a traceback in the message. The
exception is therefore kept here under a word that the message carries, and taken out again where batches are consumed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import tensorflow as tf

from cae.data.reads_at_exit import counted_read
from cae.errors import UserError

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
