"""How a training ends: out of memory, with a loss that is not finite, or early by a signal."""

from __future__ import annotations

import enum
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from cae.errors import UserError
from cae.stop_handler import StopHandler, meaning


class Outcome(enum.Enum):
    """The `status` of summary.json."""

    FINISHED = "finished"
    STOPPED_EARLY = "stopped_early"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


# So begins the `error` of summary.json where it is why a training failed: the same would happen again.
NOT_FINITE = "The loss is no longer finite"


class NonFiniteLossError(UserError):
    """The loss is NaN or infinite.

    Args:
        step: after which it was seen.
        epoch: that was under way, from 1.
        kept: steps of the checkpoints, newest first; None in a process that writes none, and so knows of none.
        rate: the learning rate that the configuration states; None of an optimizer that has none.
    """

    def __init__(self, step: int, epoch: int, kept: Sequence[int] | None = None, rate: float | None = None) -> None:
        lower = None if rate is None else f"{min(rate / 10, _USUAL_RATE):.2g}"
        such_as = f", such as --set training.optimizer.learning_rate={lower}" if lower else ""
        checkpoint = ""
        if kept is not None:
            checkpoint = (
                f" The last checkpoint, of step {kept[0]:,}, is kept." if kept else " No checkpoint was written yet."
            )
        super().__init__(
            f"{NOT_FINITE} at step {step:,} (epoch {epoch}).{checkpoint}"
            f" Start again with a lower learning rate{such_as} (`python -m cae tune` finds one);"
            " training.global_clipnorm or another training.precision may help, too."
        )
        self.step = step


# What optimizers have by default: a tenth of a rate that is far too high may be so as well.
_USUAL_RATE = 0.001


class StopSignals(StopHandler):
    """Within the `with` block, remember a stop signal instead of dying; a second one of the kind ends at once.

    Example:
        >>> with StopSignals() as stop:
        ...     signal.raise_signal(signal.SIGTERM)
        ...     stop.exit_code
        143
    """

    def __init__(self) -> None:
        super().__init__()
        self.received: int | None = None

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, 143 after SIGTERM and what means the same: 128 + the number, as shells count it."""
        return 128 + (self.received or 0)

    def on_stop(self, number: int, frame: FrameType | None) -> None:
        """Remember it."""
        self.received = meaning(number)
        signal.signal(number, self.previous[number])


@contextmanager
def naming_memory(batch_size: int, image_shape: tuple[int, int, int]) -> Iterator[None]:
    """Turn a lack of memory in the block into an error that names what to make smaller.

    >>> with naming_memory(512, (1024, 768, 3)):
    ...     raise MemoryError("Unable to allocate 8.00 GiB")
    Traceback (most recent call last):
    cae.errors.UserError: Out of memory with training.batch_size: 512 and images of 1024x768x3...

    Args:
        batch_size: images in a step.
        image_shape: (height, width, channels) of the images.

    Raises:
        UserError: instead of Python's and TensorFlow's error.
    """
    import tensorflow as tf

    try:
        yield
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        height, width, channels = image_shape
        raise UserError(
            f"Out of memory with training.batch_size: {batch_size} and images of {height}x{width}x{channels}"
            f" ({_reason(error)}). A smaller training.batch_size, data.image_size or number of filters takes less."
        ) from error


def _reason(error: Exception) -> str:
    """How much was asked for; TensorFlow's messages tell much besides."""
    text = str(error).strip() or type(error).__name__
    told = re.search(r"(OOM when|Unable to) alloc[^\n]*", text)
    return (told[0] if told else text.splitlines()[0])[:200]
