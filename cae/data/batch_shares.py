"""Which images are in which batch, and how batches are divided between devices and processes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np


def steps_per_epoch(num_images: int, batch_size: int) -> int:
    """Number of batches that cover all images; a partial last batch counts.

    >>> steps_per_epoch(10, 4)
    3
    """
    return -(-num_images // batch_size)


class TrainingOrder:
    """Gives the images of every training step, without the steps before it.

    >>> order = TrainingOrder(num_images=10, batch_size=4, seed=0)
    >>> epoch = np.concatenate([order.indices(step) for step in range(3)])
    >>> sorted(epoch.tolist()) == list(range(10))
    True

    Args:
        num_images: images in the training part.
        batch_size: images in a step.
        seed: the run's seed.
    """

    def __init__(self, num_images: int, batch_size: int, seed: int) -> None:
        self._num_images = num_images
        self._batch_size = batch_size
        self._seed = seed
        self._steps_per_epoch = steps_per_epoch(num_images, batch_size)
        # Steps are prepared ahead, so around an epoch's end two permutations are in use.
        self._permutation = lru_cache(maxsize=2)(self._make_permutation)

    def indices(self, step: int) -> np.ndarray:
        """Positions of a step's images.

        Args:
            step: counted over all epochs, from 0.

        Returns:
            (batch,) integers; the last step of an epoch takes what is left.
        """
        epoch, step_in_epoch = divmod(step, self._steps_per_epoch)
        start = step_in_epoch * self._batch_size
        return self._permutation(epoch)[start : start + self._batch_size]

    def _make_permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(self._num_images)


class Position(NamedTuple):
    """Where images lie in the batch that they are a part of: what is drawn for an image depends on it alone."""

    first: Any
    """Of the first of them."""
    total: Any
    """Images in the whole batch."""


@dataclass(frozen=True)
class Shares:
    """Divides every batch evenly between replicas, some of which belong to this process.

    Shares differ by one image at most. A batch of fewer images than replicas goes whole to each of them, where each
    image counts 1/num_replicas: sums, gradients and batch statistics then are those of the batch, and no replica is
    left without an image.

    Example:
        >>> shares = Shares(num_replicas=4, first_replica=2, num_local=2)
        >>> shares.read(10)
        slice(5, 10, None)
        >>> shares.table(10)  # columns: from and to among the images read, position in the batch, batch size
        array([[ 0,  2,  5, 10],
               [ 2,  5,  7, 10]])
        >>> shares.table(3)
        array([[0, 3, 0, 3],
               [0, 3, 0, 3]])

    Args:
        num_replicas: in all processes together.
        first_replica: the first one of this process, counted over all.
        num_local: how many this process has.
    """

    num_replicas: int
    first_replica: int
    num_local: int

    def read(self, num_images: int) -> slice:
        """The images of a batch that this process needs."""
        last = self.first_replica + self.num_local - 1
        return slice(self._bounds(num_images, self.first_replica)[0], self._bounds(num_images, last)[1])

    def table(self, num_images: int) -> np.ndarray:
        """One row for each replica of this process, (replicas, 4) int64; see the example."""
        start = self.read(num_images).start
        rows = []
        for replica in range(self.first_replica, self.first_replica + self.num_local):
            first, end = self._bounds(num_images, replica)
            rows.append((first - start, end - start, first, num_images))
        return np.array(rows, np.int64)

    def _bounds(self, num_images: int, replica: int) -> tuple[int, int]:
        if num_images < self.num_replicas:
            return 0, num_images
        return num_images * replica // self.num_replicas, num_images * (replica + 1) // self.num_replicas
