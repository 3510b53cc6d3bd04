"""Rectifying, together with the step before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from cae.layers.bias import bias_gradient
from cae.layers.depth_to_space import open_channels
from cae.layers.origin import Biased, Computed, Opened, Rectified, origin_of, remember
from cae.layers.windows import compiled


@keras.saving.register_keras_serializable(package="cae")
class ReLU(keras.layers.Activation):
    """`keras.layers.Activation("relu")`, computed together with the step before it.

    Values and gradients are the same. Behind a transposed convolution, bias and rectifying are one pass over the map,
    which a blur behind a folded bilinear resize joins. Behind `DepthToSpace2D`, channels are rectified before they
    become pixels, so that TensorFlow does it within the convolution.

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
        # Each size would be compiled anew; where it varies, that takes longer than it spares.
        if isinstance(origin, Biased) and inputs.shape[1:].is_fully_defined():
            outputs = _add_bias_and_rectify(origin)
        elif isinstance(origin, Opened):
            outputs = open_channels(tf.nn.relu(origin.inputs), origin.factor, origin.output_size)
        else:
            outputs = tf.nn.relu(inputs)
        return remember(outputs, Rectified(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {key: value for key, value in super().get_config().items() if key != "activation"}


def _add_bias_and_rectify(sum_: Biased) -> tf.Tensor:
    made = origin_of(sum_.inputs)
    if not isinstance(made, Computed):
        made = Computed(tf.identity, (sum_.inputs,), {}, lambda above: (above,))

    @tf.custom_gradient
    def all_of_it(bias: tf.Tensor, *inputs: tf.Tensor) -> Any:
        options = tuple(made.options.items())
        outputs = compiled(_sum_and_rectify, inputs[0].shape, kernel=made.kernel, options=options)(*inputs, bias)

        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, ...]:
            of_sum = tf.raw_ops.ReluGrad(gradients=above, features=outputs)
            return bias_gradient(of_sum), *made.gradient(of_sum)

        return outputs, gradient

    return all_of_it(sum_.bias, *made.inputs)


def _sum_and_rectify(
    *inputs_and_bias: tf.Tensor, kernel: Callable[..., tf.Tensor], options: tuple[tuple[str, Any], ...]
) -> tf.Tensor:
    *inputs, bias = inputs_and_bias
    outputs = kernel(*inputs, **dict(options))
    # Computed in float32 and rounded once, 16-bit sums are the same bits and take half as long.
    wide = tf.float32 if outputs.dtype.size < 4 else outputs.dtype
    return tf.cast(tf.nn.relu(tf.cast(outputs, wide) + tf.cast(bias, wide)), outputs.dtype)
