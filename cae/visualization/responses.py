"""One pass over the images: the strongest responses and the statistics of every map of every layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from cae.data.pipeline import make_batches

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.visualization.feature_layers import FeatureLayer


class TopResponses:
    """The images that activate each map most, in a stream; memory does not grow with the images.

    Each image counts once for a map, with its largest value. Of equal values the first image wins, wherever batches
    begin; NaN comes last.

    Example:
        >>> responses = TopResponses(num_maps=1, top=2)
        >>> responses.add(np.array([[1.0], [3.0]]), np.array([[7], [8]]))
        >>> responses.add(np.array([[3.0], [2.0]]), np.array([[9], [5]]))
        >>> responses.values[:, 0].tolist(), responses.images[:, 0].tolist(), responses.positions[:, 0].tolist()
        ([3.0, 3.0], [1, 2], [8, 9])

    Args:
        num_maps: feature maps of the layer.
        top: how many images to keep for each, at least 1.

    Attributes:
        values: the responses, largest first, shape (images kept, maps).
        images: the images' places in the stream, the same shape.
        positions: where in the map each response is, row * width + column, the same shape.
    """

    def __init__(self, num_maps: int, top: int) -> None:
        self._top = top
        self._seen = 0
        self.values = np.empty((0, num_maps), np.float32)
        self.images = np.empty((0, num_maps), np.int64)
        self.positions = np.empty((0, num_maps), np.int64)

    def add(self, values: np.ndarray, positions: np.ndarray) -> None:
        """Take in the next images: the largest value of each map and its position, both of shape (images, maps)."""
        images = np.broadcast_to(np.arange(self._seen, self._seen + len(values))[:, None], values.shape)
        self._seen += len(values)
        # What is kept stands first, and the sort is stable: an earlier image stays before a later one.
        order = np.argsort(-np.concatenate([self.values, values]), axis=0, kind="stable")[: self._top]
        for name, new in (("values", values), ("images", images), ("positions", positions)):
            old = getattr(self, name)
            setattr(self, name, np.take_along_axis(np.concatenate([old, new]), order, axis=0).astype(old.dtype))


class MapStatistics:
    """Mean, extremes and share of positive values of each map over a stream.

    Example:
        >>> statistics = MapStatistics(num_maps=2, is_rectified=True)
        >>> statistics.add(np.array([2.0, 0.0]), np.array([0.0, 0.0]), np.array([3.0, 0.0]), np.array([2, 0]), count=4)
        >>> statistics.mean.tolist(), statistics.share_positive.tolist(), statistics.is_dead.tolist()
        ([0.75, 0.0], [0.5, 0.0], [False, True])

    Args:
        num_maps: feature maps of the layer.
        is_rectified: whether the layer's values come out of a rectifier.

    Attributes:
        maximum: each map's largest value, shape (maps,).
        minimum: its smallest value.
    """

    def __init__(self, num_maps: int, is_rectified: bool) -> None:
        self._is_rectified = is_rectified
        self._sum = np.zeros(num_maps)
        self._positive = np.zeros(num_maps, np.int64)
        self._count = 0
        self.maximum = np.full(num_maps, -np.inf)
        self.minimum = np.full(num_maps, np.inf)

    def add(
        self, maximum: np.ndarray, minimum: np.ndarray, total: np.ndarray, positive: np.ndarray, count: int
    ) -> None:
        """Take in the values of some images.

        Args:
            maximum: each map's largest value, shape (maps,).
            minimum: its smallest.
            total: the sum of its values.
            positive: how many of them are above 0.
            count: how many values a map has in these images.
        """
        self.maximum = np.maximum(self.maximum, maximum)
        self.minimum = np.minimum(self.minimum, minimum)
        self._sum += total
        self._positive += positive
        self._count += count

    @property
    def mean(self) -> np.ndarray:
        """Mean over all positions of all images, shape (maps,)."""
        return self._sum / self._count

    @property
    def share_positive(self) -> np.ndarray:
        """Share of positions with a value above 0, shape (maps,)."""
        return self._positive / self._count

    @property
    def is_dead(self) -> np.ndarray:
        """Maps that never respond, shape (maps,): none of their values is above 0 anywhere.

        Where no rectifier holds negative values back (the latent, tanh) a negative value is a response too. There a
        map is dead that has the same value everywhere, which a single value cannot show.
        """
        if self._is_rectified:
            return self.maximum <= 0
        return (self.maximum == self.minimum) & (self._count > 1)


@dataclass(frozen=True)
class Survey:
    """What one layer answered."""

    top: TopResponses
    statistics: MapStatistics
    is_rectified: bool

    def responding(self, number: int) -> np.ndarray:
        """Which of the kept images make a map respond: behind a rectifier, those with a value above 0."""
        values = self.top.values[:, number]
        return values > 0 if self.is_rectified else np.full(len(values), not self.statistics.is_dead[number])


def survey(
    encoder: keras.Model,
    layers: Sequence[FeatureLayer],
    images: ImageSet,
    *,
    top: int,
    batch_size: int,
    progress: Callable[[int], None] = lambda number: None,
) -> dict[str, Survey]:
    """Show all images to the encoder once, and watch all layers.

    Memory holds a batch and, for each map, what `TopResponses` keeps.

    Args:
        encoder: a built encoder.
        layers: of its plan.
        images: what is streamed, in order.
        top: how many images to keep for each map.
        batch_size: images at a time.
        progress: called with the number of images of each step.

    Returns:
        Layer's name to what its maps answered.
    """
    surveys = {
        layer.name: Survey(
            TopResponses(layer.num_maps, top), MapStatistics(layer.num_maps, layer.is_rectified), layer.is_rectified
        )
        for layer in layers
    }
    probe = features_model(encoder, layers)

    @tf.function(autograph=False, reduce_retracing=True)
    def measure(batch: tf.Tensor) -> dict[str, dict[str, tf.Tensor]]:
        return {name: _summarize(maps) for name, maps in probe(batch, training=False).items()}

    for batch in make_batches(images, batch_size):
        for name, found in measure(batch).items():
            values = {key: value.numpy() for key, value in found.items()}
            surveys[name].top.add(values["values"], values["positions"])
            surveys[name].statistics.add(
                values["values"].max(axis=0),
                values["minimum"],
                values["sums"].sum(axis=0, dtype=np.float64),
                values["positive"],
                count=len(batch) * int(values["area"]),
            )
        progress(len(batch))
    return surveys


def features_model(encoder: keras.Model, layers: Sequence[FeatureLayer]) -> keras.Model:
    """A model from images to the maps of some layers, name to (batch, height, width, maps) or (batch, maps)."""
    outputs = {}
    for layer in layers:
        output = encoder.get_layer(layer.path[-1].name).output
        # A pooling that records switches gives them second.
        outputs[layer.name] = output[0] if isinstance(output, list | tuple) else output
    return keras.Model(encoder.input, outputs)


def _summarize(maps: tf.Tensor) -> dict[str, tf.Tensor]:
    """What the host needs to know of a batch of maps."""
    maps = tf.cast(maps, tf.float32)
    flat = tf.reshape(maps, (tf.shape(maps)[0], -1, maps.shape[-1]))  # [N, h * w, C]
    return {
        "values": tf.reduce_max(flat, axis=1),  # [N, C]
        "positions": tf.argmax(flat, axis=1, output_type=tf.int32),  # [N, C]
        "minimum": tf.reduce_min(flat, axis=(0, 1)),  # [C]
        "sums": tf.reduce_sum(flat, axis=1),  # [N, C]
        "positive": tf.math.count_nonzero(flat > 0, axis=(0, 1)),  # [C]
        "area": tf.shape(flat)[1],
    }
