"""A bounded sample, evenly spread over a stream whose length is not known."""

from __future__ import annotations

import math

import numpy as np


class EvenSample:
    """Keeps every image at first; whenever there are too many, every other one goes, and fewer are taken from then on.

    Example:
        >>> sample = EvenSample(most=4)
        >>> for batch in np.arange(10.0).reshape(5, 2):
        ...     sample.add(batch)
        >>> sample.rows()[:, 0].tolist()
        [0.0, 4.0, 8.0]

    Args:
        most: How many images to keep at most; of a longer stream at least half as many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[np.ndarray] = []
        self._seen = 0
        self._stride = 1

    def add(self, images: np.ndarray) -> None:
        """Take what is wanted from the next images of the stream, shape (batch, ...)."""
        rows = np.reshape(images, (len(images), math.prod(images.shape[1:])))
        self._parts.append(np.array(rows[-self._seen % self._stride :: self._stride], np.float32))
        self._seen += len(images)
        while sum(len(part) for part in self._parts) > self._most:
            self._parts = [self.rows()[::2].copy()]
            self._stride *= 2

    def rows(self) -> np.ndarray:
        """Return the sample: float32, shape (images, values of an image)."""
        return np.concatenate(self._parts)
