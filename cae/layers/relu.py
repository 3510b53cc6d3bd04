"""Rectifying, together with the step before it."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.bias import bias_gradient
from cae.layers.depth_to_space import open_channels
from cae.layers.origin import Biased, Opened, Rectified, origin_of, remember
from cae.layers.windows import compiled


@keras.saving.register_keras_serializable(package="cae")
class ReLU(keras.layers.Activation):
    """`keras.layers.Activation("relu")`, computed together with the step before it.

    Values and gradients are the same bits. Behind a transposed convolution, bias and rectifying are one pass over the
    map. Behind `DepthToSpace2D`, channels are rectified before they become pixels, so that TensorFlow does it within
    the convolution.

    Example:
    >>> import numpy as np
    >>> np.array(ReLU()(np.array([-1.0, 2.0], "float32"))).tolist()
    [0.0, 2.0]

    Args:
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: Floats of any shape.

    Output shape:
        That of the inputs.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("relu", **kwargs)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the rectified values."""
        origin = origin_of(inputs)
        if isinstance(origin, Biased) and inputs.shape.rank == 4:
            outputs = _add_bias_and_rectify(origin.inputs, origin.bias)
        elif isinstance(origin, Opened):
            outputs = open_channels(tf.nn.relu(origin.inputs), origin.factor, origin.output_size)
        else:
            outputs = tf.nn.relu(inputs)
        return remember(outputs, Rectified(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {key: value for key, value in super().get_config().items() if key != "activation"}


def _add_bias_and_rectify(inputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    @tf.custom_gradient
    def both(inputs: tf.Tensor, bias: tf.Tensor) -> Any:
        outputs = compiled(_sum_and_rectify, inputs.shape)(inputs, bias)

        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_inputs = tf.raw_ops.ReluGrad(gradients=above, features=outputs)
            return of_inputs, bias_gradient(of_inputs)

        return outputs, gradient

    return both(inputs, bias)


def _sum_and_rectify(inputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    # Computed in float32 and rounded once, 16-bit sums are the same bits and take half as long.
    wide = (tf.cast(inputs, tf.float32), tf.cast(bias, tf.float32)) if inputs.dtype.size < 4 else (inputs, bias)
    return tf.cast(tf.nn.relu(wide[0] + wide[1]), inputs.dtype)
