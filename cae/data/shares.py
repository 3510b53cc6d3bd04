"""How a batch is divided between replicas, so that noise, sums and order stay those of the whole batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


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
        num_replicas: In all processes together.
        first_replica: The first one of this process, counted over all.
        num_local: How many this process has.
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
