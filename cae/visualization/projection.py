"""From one value of a feature map back to pixel space."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from cae.visualization.backward import Passage, looks_at_inputs, pull_back
from cae.visualization.feature_layers import operations_on

if TYPE_CHECKING:
    from cae.visualization.feature_layers import FeatureLayer
    from cae.visualization.methods import Method


class Projector:
    """Projects single values of one layer down through the encoder.

    Of the layer's values all but one are set to zero; that one is carried down by `pull_back`, operation by
    operation, with switches and gates of its own image. The model is only read.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.model import build_autoencoder
        >>> from cae.plan import make_plan
        >>> from cae.visualization.feature_layers import find_feature_layers
        >>> autoencoder = build_autoencoder(make_plan(ModelSection(), (12, 12, 1)))
        >>> projector = Projector(autoencoder.encoder, find_feature_layers(autoencoder.plan)[0], "deconvnet")
        >>> images = np.random.default_rng(0).random((2, 12, 12, 1), np.float32)
        >>> projector.project(images, maps=[3, 4], positions=[0, 50], values=[1.0, 0.5]).shape
        (2, 12, 12, 1)

    Args:
        encoder: a built encoder.
        layer: of its plan.
        method: `deconvnet`, `gradient` or `guided`.

    Reference:
        Zeiler and Fergus 2014, section 2.1; Springenberg et al. 2015, "Striving for Simplicity", section 3.4.
    """

    def __init__(self, encoder: keras.Model, layer: FeatureLayer, method: Method) -> None:
        self._encoder = encoder
        self._layer = layer
        self._method = method
        seen = [operation.name for operation in operations_on(layer.path) if looks_at_inputs(operation)]
        self._way_up = keras.Model(encoder.input, {name: encoder.get_layer(name).input for name in seen})
        # TensorFlow takes a method of several projectors for one function that is traced again and again, and warns.
        own = functools.partial(self._project)
        self._compiled = tf.function(own, autograph=False, reduce_retracing=True)

    def project(self, images: np.ndarray, maps: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Project one value for each image.

        Args:
            images: pixels in [0, 1], shape (batch, height, width, channels).
            maps: number of the map for each image, shape (batch,).
            positions: where in the map, row * width + column, shape (batch,).
            values: what is carried down, as a rule the response itself, shape (batch,).

        Returns:
            float32, the images' shape; signed.
        """
        projections = self._compiled(
            tf.constant(images, tf.float32),
            tf.constant(maps, tf.int32),
            tf.constant(positions, tf.int32),
            tf.constant(values, tf.float32),
        )
        return projections.numpy()

    def _project(self, images: tf.Tensor, maps: tf.Tensor, positions: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        inputs = {name: tf.cast(x, tf.float32) for name, x in self._way_up(images, training=False).items()}
        passage = Passage(self._encoder, inputs, self._method)
        height, width, channels = self._layer.shape
        where = tf.one_hot(positions * channels + maps, height * width * channels)
        signal = tf.reshape(where * values[:, None], (-1, height, width, channels))
        for operation in reversed(self._layer.path):
            signal = pull_back(operation, signal, passage)
        return signal
