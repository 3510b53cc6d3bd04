"""Where the methods of carrying a signal back differ: what becomes of it at an activation."""

from __future__ import annotations

import keras
import tensorflow as tf

from cae.visualization.map_choice import Method

# What is left of a negative backward signal: the slope of each activation on its negative side, as far as it rectifies.
# Those with 1 do not: they let both signs through alike, shifted or flattened at most.
_NEGATIVE_SLOPE = {
    "relu": 0.0,
    "elu": 0.0,
    "selu": 0.0,
    "gelu": 0.0,
    "silu": 0.0,
    "softplus": 0.0,
    "leaky_relu": 0.2,
    "linear": 1.0,
    "tanh": 1.0,
    "sigmoid": 1.0,
}


def is_rectifier(function: str) -> bool:
    """Whether an activation holds back negative values.

    Example:
        >>> is_rectifier("gelu"), is_rectifier("tanh")
        (True, False)
    """
    return _NEGATIVE_SLOPE[function] < 1.0


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
        slope = _NEGATIVE_SLOPE[function]
        signal = signal if slope == 1.0 else tf.where(signal > 0, signal, slope * signal)
    if method != "deconvnet":
        signal *= _slope(inputs, function)
    return signal


def _slope(inputs: tf.Tensor, function: str) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = keras.activations.get(function)(inputs)
    return tape.gradient(outputs, inputs)
