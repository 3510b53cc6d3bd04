"""What the user can do when memory does not suffice."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from cae.errors import UserError


@contextmanager
def naming_memory(batch_size: int, image_shape: tuple[int, int, int]) -> Iterator[None]:
    """Turn a lack of memory in the block into an error that names what to make smaller.

    >>> with naming_memory(512, (1024, 768, 3)):
    ...     raise MemoryError("Unable to allocate 8.00 GiB")
    Traceback (most recent call last):
    cae.errors.UserError: Out of memory with training.batch_size: 512 and images of 1024x768x3...

    Args:
        batch_size: Images in a step.
        image_shape: (height, width, channels) of the images.

    Raises:
        UserError: instead of Python's and TensorFlow's error.
    """
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
