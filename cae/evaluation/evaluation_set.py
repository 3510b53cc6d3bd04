"""The images that runs are measured on: opened, fingerprinted and given baselines once for all runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.config.data import PATH_KEYS
from cae.config.registration import OWN_METRICS
from cae.data.pipeline import make_batches
from cae.data.pixels import to_float
from cae.evaluation.baselines import Baseline, measure_baselines
from cae.evaluation.floors import measure_floors, most_images_for_floors
from cae.messages import counted

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.data.image_set import ImageSet, Splits


# Goes up with every change that gives other figures, or more of them: evaluations of before are then made again.
FIGURES_VERSION = 3

_IMAGES_AT_ONCE = 64


def digest_images(images: ImageSet) -> str:
    """Fingerprint of a set's pixels in their order; that of other images is another, wherever they lie.

    Reads every image once.

    Example:
        >>> from cae.data.image_set import ArraySet
        >>> black, white = (ArraySet(np.full((3, 4, 4), level, np.uint8)) for level in (0, 255))
        >>> digest_images(black) == digest_images(black), digest_images(black) == digest_images(white)
        (True, False)

    Raises:
        UserError: a file cannot be read.
    """
    found = hashlib.sha256(repr((len(images), images.image_shape)).encode())
    for first in range(0, len(images), _IMAGES_AT_ONCE):
        pixels = images.read(np.arange(first, min(first + _IMAGES_AT_ONCE, len(images))))
        found.update(np.ascontiguousarray(to_float(pixels)).tobytes())
    return found.hexdigest()


def digest_evaluation(weights: str, config: RunConfig, images: str, num_training_images: int) -> str:
    """Fingerprint of a run's weights and configuration, of the images that measure it, and of `FIGURES_VERSION`.

    Args:
        weights: from `RunDirectory.digest_weights`.
        config: the run's; where its data lie does not count.
        images: from `digest_images`.
        num_training_images: that baselines are fitted on.
    """
    settings = config.model_dump(mode="json", include={"seed", "data", "model", "objective", "training"})
    for place in PATH_KEYS:
        del settings["data"][place]
    everything = [weights, settings, images, num_training_images, FIGURES_VERSION, *OWN_METRICS]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


class EvaluationSet:
    """One split of a data set.

    Args:
        splits: the data set.
        split: `test`, `validation` or `train`.
        num_probes: so many validation images, the first ones, are also shown as baselines and floors make them.
    """

    def __init__(self, splits: Splits, split: str, num_probes: int = 16) -> None:
        self.splits = splits
        self.split = split
        self.images: ImageSet = getattr(splits, split)
        self._baselines: dict[int, dict[str, dict[str, Any]]] = {}
        self._floors: dict[tuple[int, int, int], dict[str, dict[str, Any]]] = {}
        self._num_probes = num_probes
        self._pictures: dict[int | tuple[int, int, int], dict[str, np.ndarray]] = {}

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
            self._baselines[code_values] = measure_baselines(
                training, measured, code_values, partial(self._show, code_values)
            )
        return self._baselines[code_values]

    def floors(self, code_shape: tuple[int, int, int], batch_size: int) -> dict[str, dict[str, Any]]:
        """What block transforms with a code of this shape reach, fitted on training images; see `measure_floors`.

        Args:
            code_shape: height, width and channels of the code of one image.
            batch_size: images in memory at a time, beside those of the fit; figures do not depend on it.
        """
        if code_shape not in self._floors:
            train = self.splits.train
            most = min(len(train), most_images_for_floors(self.images.image_shape))
            sample = train.take(np.unique(np.linspace(0, len(train) - 1, most).astype(np.int64)))
            training, measured = _stream(sample, batch_size), _stream(self.images, batch_size)
            self._floors[code_shape] = measure_floors(training, measured, code_shape, partial(self._show, code_shape))
        return self._floors[code_shape]

    @cached_property
    def probes(self) -> np.ndarray:
        """The validation images that are shown, (images, height, width, channels) in [0, 1]."""
        batches = make_batches(self.splits.validation, self._num_probes)
        return np.asarray(next(iter(batches)))

    def pictures(self, code_values: int, code_shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
        """What baselines and floors that were measured make of `probes`, within [0, 1]; arrays of the same shape."""
        return {**self._pictures[code_values], **self._pictures[code_shape]}

    def _show(self, code: int | tuple[int, int, int], fitted: Mapping[str, Baseline]) -> None:
        # Not what was fitted is kept, which may be larger than all images.
        made = {name: np.asarray(one.reconstruct(self.probes)) for name, one in fitted.items()}
        self._pictures[code] = {name: np.clip(pictures, 0.0, 1.0) for name, pictures in made.items()}


def _stream(images: ImageSet, batch_size: int) -> Callable[[], Iterator[np.ndarray]]:
    def start() -> Iterator[np.ndarray]:
        batches = make_batches(images, batch_size)
        return (batch.numpy() for batch in counted(batches, int(batches.cardinality())))

    return start
