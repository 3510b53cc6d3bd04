"""Metrics of every image of a split, streamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.data.pipeline import make_batches
from cae.measures.catalogue import LOSS, graph_metrics_per_image, metrics_of
from cae.messages import counted
from cae.training.objective import corrupt
from cae.training.step import VALIDATION_NOISE_SEED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cae.config.objective import Corruption
    from cae.data.image_set import ImageSet
    from cae.model import Autoencoder
    from cae.training.objective import Objective

Change = Callable[[Any, list[Any]], tuple[Any, list[Any]]]
Watch = Callable[[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]], None]


def unchanged(latent: Any, switches: list[Any]) -> tuple[Any, list[Any]]:
    """Return code and switches as the encoder gave them: the change that is none."""
    return latent, switches


def read_floats(images: ImageSet, indices: Sequence[int]) -> np.ndarray:
    """Some images of a set, as they are measured: float32 in [0, 1]."""
    return np.concatenate([batch.numpy() for batch in make_batches(images.take(np.array(indices)), len(indices))])


@dataclass(frozen=True)
class Measured:
    """Metrics of each image of a split, in its order; arrays of shape (images,)."""

    per_image: dict[str, np.ndarray]

    def means(self) -> dict[str, float]:
        """Means over images, in float64."""
        return {name: float(np.mean(values, dtype=np.float64)) for name, values in self.per_image.items()}

    def chosen(self, number: int) -> dict[str, list[int]]:
        """Indices of the images with the best, the middle and the worst PSNR, at most `number` of each."""
        return best_median_worst(self.per_image["psnr"], number)


def best_median_worst(psnr: np.ndarray, number: int) -> dict[str, list[int]]:
    """Indices of the images with the highest, the middle and the lowest values, at most `number` of each, each once.

    Example:
        >>> best_median_worst(np.array([20.0, 25.0, 30.0, 22.0, 21.0, 29.0]), 2)
        {'best': [2, 5], 'median': [1, 3], 'worst': [4, 0]}
        >>> best_median_worst(np.array([20.0, 25.0]), 2)
        {'best': [1], 'worst': [0]}
    """
    if len(psnr) < 3:
        return {title: [index] for title, index in zip(("best", "worst"), np.argsort(-psnr).tolist(), strict=False)}
    order = np.argsort(-psnr, kind="stable")
    number = min(number, len(order) // 3)
    middle = (len(order) - number) // 2
    return {
        "best": order[:number].tolist(),
        "median": order[middle : middle + number].tolist(),
        "worst": order[-number:].tolist(),
    }


class Measurer:
    """Reconstructs batches of one size with one model and measures each image.

    Args:
        autoencoder: a trained model.
        objective: what it was trained for, measured as `loss`.
        corruption: what is done to its inputs; `none` measures it on clean images.
        batch_size: images at a time.
        change: what is done to a batch's latent and switches between encoder and decoder.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        objective: Objective,
        corruption: Corruption,
        batch_size: int,
        change: Change = unchanged,
    ) -> None:
        self._change = change
        self._autoencoder = autoencoder
        self._objective = objective
        self._corruption = corruption
        self._batch_size = batch_size

    def measure(self, images: ImageSet, watch: Watch = lambda *_: None) -> Measured:
        """Measure a whole split; memory does not grow with the images, only with their metrics.

        Args:
            images: the split.
            watch: is shown each batch of images with its reconstructions, its latents in float32, before they are
                changed, and the list of its switches.
        """
        metrics_here = metrics_of(images.image_shape)
        parts: dict[str, list[np.ndarray]] = {one.name: [] for one in (LOSS, *metrics_here)}
        for number, batch in self._batches(images):
            metrics, pictures, latent, switches = self._compiled_measure_batch(batch, number)
            pixels, reconstructions = batch.numpy(), pictures.numpy()
            watch(pixels, reconstructions, latent.numpy(), [one.numpy() for one in switches])
            for name, values in metrics.items():
                parts[name].append(values.numpy())
            for metric in metrics_here:
                if not metric.in_graph:
                    parts[metric.name].append(metric.per_image(pixels, reconstructions))
        return Measured({name: np.concatenate(values) for name, values in parts.items()})

    def reconstruct(self, images: ImageSet, indices: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """Clean images at some indices, and their reconstructions within [0, 1], just as they were measured."""
        # The noise of an image, and whose switches it gets, depend on its place in its batch: whole batches are made
        # again, each once, by what has measured them.
        by_batch: dict[int, set[int]] = {}
        for index in indices:
            by_batch.setdefault(index // self._batch_size, set()).add(index)
        numbers = sorted(by_batch)
        firsts = [number * self._batch_size for number in numbers]
        around = np.concatenate([np.arange(first, min(first + self._batch_size, len(images))) for first in firsts])
        found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        # Only the last of all batches can be smaller, so that each is cut as it was.
        for number, batch in zip(numbers, make_batches(images.take(around), self._batch_size), strict=True):
            _, pictures, _, _ = self._compiled_measure_batch(batch, tf.constant(number))
            for index in by_batch[number]:
                row = index - number * self._batch_size
                found[index] = batch[row].numpy(), pictures[row].numpy()
        return np.stack([found[index][0] for index in indices]), np.stack([found[index][1] for index in indices])

    def _batches(self, images: ImageSet) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        batches = make_batches(images, self._batch_size)
        for number, batch in enumerate(counted(batches, int(batches.cardinality()))):
            yield tf.constant(number), batch

    @cached_property
    def _compiled_measure_batch(self) -> Callable[..., Any]:
        """Traced once for batches of any size, the last and smaller one included."""
        images = tf.TensorSpec((None, *self._autoencoder.plan.image_shape), tf.float32)
        number = tf.TensorSpec((), tf.int32)
        function = tf.function(self._measure_batch, autograph=False)
        compiled: Callable[..., Any] = function.get_concrete_function(images, number)
        return compiled

    def _reconstruct(self, images: tf.Tensor, number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        inputs = corrupt(images, self._corruption, tf.stack([VALIDATION_NOISE_SEED, number]))
        latent, switches = self._autoencoder.encode(inputs)
        given = self._change(latent, self._autoencoder.as_trained(switches))
        return self._autoencoder.decode(*given), latent, switches

    def _measure_batch(self, images: tf.Tensor, number: tf.Tensor) -> tuple[Any, ...]:
        reconstructions, latent, switches = self._reconstruct(images, number)
        pictures = _as_picture(reconstructions)  # [N, H, W, C]
        losses = self._objective.per_image(images, reconstructions, latent)
        metrics = {"loss": losses, **graph_metrics_per_image(images, pictures)}
        return metrics, pictures, tf.cast(latent, tf.float32), switches


def _as_picture(reconstructions: tf.Tensor) -> tf.Tensor:
    """Keep to the pixel range, which a linear output may leave; pictures cannot."""
    return tf.clip_by_value(reconstructions, 0.0, 1.0)
