"""One pass over the images that finds the strongest responses and the statistics of every map of every layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from cae.data.pipeline import make_batches
from cae.visualization.responses import MapStatistics, TopResponses

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.visualization.feature_layers import FeatureLayer


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
        progress: is told how many images a step has done.

    Returns:
        Layer's name to what its maps answered.
    """
    surveys = {
        layer.name: Survey(
            TopResponses(layer.num_maps, top),
            MapStatistics(layer.num_maps, layer.is_rectified),
            layer.is_rectified,
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
