"""The images that runs are measured on: opened, fingerprinted and given baselines once, however many runs there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.data.pipeline import make_batches
from cae.evaluation.baselines import measure_baselines
from cae.evaluation.digest import digest_images

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet, Splits


class EvaluationSet:
    """One split of a data set.

    Args:
        splits: the data set.
        split: `test`, `validation` or `train`.
    """

    def __init__(self, splits: Splits, split: str) -> None:
        self.splits = splits
        self.split = split
        self.images: ImageSet = getattr(splits, split)
        self._baselines: dict[int, dict[str, dict[str, Any]]] = {}

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the split's pixels."""
        return digest_images(self.images)

    def baselines(self, code_values: int, batch_size: int) -> dict[str, dict[str, Any]]:
        """What simple codes of so many values reach, fitted on the training part; see `measure_baselines`.

        Args:
            code_values: values in the code of one image.
            batch_size: images in memory at a time; figures do not depend on it.
        """
        if code_values not in self._baselines:
            training, measured = _stream(self.splits.train, batch_size), _stream(self.images, batch_size)
            self._baselines[code_values] = measure_baselines(training, measured, code_values)
        return self._baselines[code_values]


def _stream(images: ImageSet, batch_size: int) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: (batch.numpy() for batch in make_batches(images, batch_size))
