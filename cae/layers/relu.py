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
    """`keras.layers.Activation("relu")`, while training computed together with the step before it.

    Values and gradients are the same. Behind a transposed convolution, bias and rectifying are one pass over the map,
    which a blur behind a folded bilinear resize joins. Behind `DepthToSpace2D`, channels are rectified before they
    become pixels, so that TensorFlow does it within the convolution. The map in between then is not on the gradient's
    way; call the layer with `training=False`, as by default, for gradients with respect to it.

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

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the rectified values."""
        origin = origin_of(inputs) if training else None
        # A kernel is compiled for each size; where sizes vary, that takes longer than it spares.
        if isinstance(origin, Biased) and inputs.shape[1:].is_fully_defined():
            outputs = _rectify_sum(origin)
        elif isinstance(origin, Opened):
            outputs = open_channels(tf.nn.relu(origin.inputs), origin.factor, origin.output_size)
        else:
            outputs = tf.nn.relu(inputs)
        return remember(outputs, Rectified(inputs))

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {key: value for key, value in super().get_config().items() if key != "activation"}


def _rectify_sum(biased: Biased) -> tf.Tensor:
    """Rectify the sum of a map and a bias in one pass, with the kernel that gives the map if there is one."""
    made = origin_of(biased.inputs)
    if not isinstance(made, Computed):
        made = Computed(tf.identity, (biased.inputs,), {}, lambda above: (above,))

    @tf.custom_gradient
    def rectify(bias: tf.Tensor, *inputs: tf.Tensor) -> Any:
        options = tuple(made.options.items())
        kernel = compiled(_compute_and_rectify, inputs[0].shape, compute=made.kernel, options=options)
        outputs = kernel(*inputs, bias)

        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, ...]:
            of_sum = tf.raw_ops.ReluGrad(gradients=above, features=outputs)
            return bias_gradient(of_sum), *made.gradient(of_sum)

        return outputs, gradient

    return rectify(biased.bias, *made.inputs)


def _compute_and_rectify(
    *inputs_and_bias: tf.Tensor, compute: Callable[..., tf.Tensor], options: tuple[tuple[str, Any], ...]
) -> tf.Tensor:
    *inputs, bias = inputs_and_bias
    outputs = compute(*inputs, **dict(options))
    # Computed in float32 and rounded once, 16-bit sums are the same bits and take half as long.
    wide = tf.float32 if outputs.dtype.size < 4 else outputs.dtype
    return tf.cast(tf.nn.relu(tf.cast(outputs, wide) + tf.cast(bias, wide)), outputs.dtype)
