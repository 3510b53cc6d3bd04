"""What the processes of one training must decide alike: when to look up, when to stop, where to start."""

from __future__ import annotations

import contextlib
import io
import json
import signal
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from cae.errors import UserError
from cae.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from cae.training.distribution.cluster import Cluster

# What TensorFlow says, in the processes that are left, when another one ends, freezes or cannot be reached.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)
_STOPS = (signal.SIGTERM, signal.SIGINT)
_MOST_WORDS = 2**23  # 64 MiB at a time


class Alone:
    """One process agrees with itself, and nothing needs to be said.

    Example:
        >>> Alone().on(None, 7, True)
        (None, 7, True)
    """

    is_chief = True

    def on(self, stop: int | None, num_steps: int, save: bool) -> tuple[int | None, int, bool]:
        """What is done next: the stop signal that any process was sent, and the chief's other wishes.

        Args:
            stop: signal that this process was sent.
            num_steps: steps until the next look.
            save: whether a checkpoint is due.
        """
        return stop, num_steps, save

    def on_start(self, checkpoint: Checkpoint | None, find_terms: Callable[[], str]) -> Checkpoint | None:
        """The chief's checkpoint, in every process.

        Args:
            checkpoint: the chief's.
            find_terms: gives what must be the same in every process; images are looked at for it.

        Raises:
            UserError: this process's terms differ from the chief's.
        """
        return checkpoint

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the engine's error about a lost process into one that the user can read."""
        yield


class Together(Alone):
    """Several processes agree by adding up what each brings.

    Args:
        strategy: TensorFlow's multi-worker strategy.
        cluster: the processes.
    """

    def __init__(self, strategy: tf.distribute.Strategy, cluster: Cluster) -> None:
        self._strategy = strategy
        self.is_chief = cluster.is_chief
        self._add = tf.function(
            self._add_up, input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False, jit_compile=False
        )

    def on(self, stop: int | None, num_steps: int, save: bool) -> tuple[int | None, int, bool]:
        chiefs = [num_steps, int(save)] if self.is_chief else [0, 0]
        *stopped, num_steps, due = self._sum(np.array([*(int(stop == number) for number in _STOPS), *chiefs]))
        agreed = next((int(number) for number, count in zip(_STOPS, stopped, strict=True) if count), None)
        return agreed, int(num_steps), bool(due)

    def on_start(self, checkpoint: Checkpoint | None, find_terms: Callable[[], str]) -> Checkpoint | None:
        terms = find_terms()
        chiefs_terms = self._from_chief(terms.encode()).decode()
        if terms != chiefs_terms:
            raise UserError(
                "This process and the chief do not train the same; both must have the same configuration and images."
                f"\n  here:  {terms}\n  chief: {chiefs_terms}"
            )
        packed = self._from_chief(_pack(checkpoint) if checkpoint is not None else b"")
        return _unpack(packed) if packed else None

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        try:
            yield
        except _LOST as error:
            reason = str(error).split("Additional GRPC")[0].strip().splitlines() or ["no reason given"]
            raise UserError(
                "Another process of this training has stopped or can no longer be reached, so this one ends, too."
                " Its own message says why; start all of them again with --resume to go on from the last checkpoint."
                f" ({type(error).__name__}: {reason[-1]})"
            ) from error

    def _from_chief(self, data: bytes) -> bytes:
        """The chief's bytes, in every process."""
        length = int(self._sum(np.array([len(data) if self.is_chief else 0]))[0])
        words = np.zeros(-(-length // 8), np.int64)
        if self.is_chief:
            words = np.frombuffer(data.ljust(8 * len(words), b"\0"), np.int64)
        # Adding zeros leaves integers as they are, so a sum is a broadcast.
        parts = [self._sum(words[start : start + _MOST_WORDS]) for start in range(0, len(words), _MOST_WORDS)]
        return b"".join(part.tobytes() for part in parts)[:length]

    def _sum(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(self._add(tf.constant(values, tf.int64)))

    def _add_up(self, values: tf.Tensor) -> tf.Tensor:
        def add() -> tf.Tensor:
            replica = tf.distribute.get_replica_context()
            # Of a process's replicas the first speaks for it.
            is_first = tf.equal(replica.replica_id_in_sync_group % num_local, 0)
            mine = tf.where(is_first, tf.identity(values), tf.zeros_like(values))
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        num_local = len(self._strategy.extended.worker_devices)
        return self._strategy.experimental_local_results(self._strategy.run(add))[0]


def _pack(checkpoint: Checkpoint) -> bytes:
    file = io.BytesIO()
    counters = np.frombuffer(json.dumps([checkpoint.step, checkpoint.counters]).encode(), np.uint8)
    np.savez(file, counters=counters, **checkpoint.arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _unpack(packed: bytes) -> Checkpoint:
    with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
        step, counters = json.loads(arrays["counters"].tobytes())
        return Checkpoint(step, {name: arrays[name] for name in arrays.files if name != "counters"}, counters)
