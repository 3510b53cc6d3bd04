"""The order in which training sees images: a permutation per epoch that depends on (seed, epoch) only."""

from __future__ import annotations

from functools import lru_cache

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
        num_images: Images in the training part.
        batch_size: Images in a step.
        seed: The run's seed.
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
            step: Counted over all epochs, from 0.

        Returns:
            (batch,) integers; the last step of an epoch takes what is left.
        """
        epoch, step_in_epoch = divmod(step, self._steps_per_epoch)
        start = step_in_epoch * self._batch_size
        return self._permutation(epoch)[start : start + self._batch_size]

    def _make_permutation(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self._seed, epoch]).permutation(self._num_images)
