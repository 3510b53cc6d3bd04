"""Where the methods of carrying a signal back differ: what becomes of it at an activation."""

from __future__ import annotations

import keras
import tensorflow as tf

from cae.kinds.activation import ACTIVATIONS
from cae.visualization.map_choice import Method


def rectify(signal: tf.Tensor, inputs: tf.Tensor, function: str, method: Method) -> tf.Tensor:
    """Carry a backward signal through an activation.

    `gradient` multiplies by the activation's slope at its inputs: for a relu, passes where the image passed.
    `deconvnet` looks at the signal's own sign instead and holds back negative values, whatever the image was: a relu
    again, on the way down. `guided` does both.

    For activations other than relu the slope is the derivative; by sign, smooth rectifiers (elu, selu, gelu, silu,
    softplus) count as relu, `leaky_relu` keeps 0.2 of negative values as it does forward, and `linear`, `tanh` and
    `sigmoid`, which rectify nothing, leave the signal as it is. With linear activations the methods are the same.

    Example:
        >>> signal, inputs = tf.constant([1.0, -1.0, 1.0, -1.0]), tf.constant([2.0, 2.0, -2.0, -2.0])
        >>> for method in ("deconvnet", "gradient", "guided"):
        ...     print(method, (rectify(signal, inputs, "relu", method).numpy() + 0.0).tolist())
        deconvnet [1.0, 0.0, 1.0, 0.0]
        gradient [1.0, -1.0, 0.0, 0.0]
        guided [1.0, 0.0, 0.0, 0.0]

    Args:
        signal: any shape.
        inputs: what the activation was given, the same shape.
        function: the activation's name in the plan.
        method: `deconvnet`, `gradient` or `guided`.

    Reference:
        Mahendran and Vedaldi 2016, "Salient deconvolutional networks", section 2.
    """
    if method != "gradient":
        slope = ACTIVATIONS[function].negative_slope
        signal = signal if slope == 1.0 else tf.where(signal > 0, signal, slope * signal)
    if method != "deconvnet":
        signal *= _slope(inputs, function)
    return signal


def _slope(inputs: tf.Tensor, function: str) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = keras.activations.get(function)(inputs)
    return tape.gradient(outputs, inputs)
