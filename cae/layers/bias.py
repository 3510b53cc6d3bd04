"""Adding a bias whose gradient is right in 16 bits, too."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def add_bias(outputs: tf.Tensor, bias: Any) -> tf.Tensor:
    """Add a bias to each channel.

    On a CPU the gradient of `tf.nn.bias_add` adds up 16-bit floats in 16 bits. In bfloat16 a sum grows no more once it
    is 256 times as large as what comes next: the gradients of 4,096 pixels, all one, come to 256.
    Here they are added up in float32. (Where TensorFlow fuses convolution and bias, the gradient is right, too: plain
    convolutions keep `tf.nn.bias_add`, which lets it.)

    Example:
    >>> bias = tf.zeros(1, tf.bfloat16)
    >>> with tf.GradientTape() as tape:
    ...     tape.watch(bias)
    ...     outputs = add_bias(tf.zeros((1, 64, 64, 1), tf.bfloat16), bias)
    >>> int(tape.gradient(outputs, bias)[0])
    4096

    Args:
        outputs: (batch, height, width, channels).
        bias: (channels,), of the same type.

    Returns:
        The shape of `outputs`.
    """
    bias = tf.convert_to_tensor(bias)

    @tf.custom_gradient
    def add(outputs: tf.Tensor, bias: tf.Tensor) -> Any:
        return tf.nn.bias_add(outputs, bias), lambda above: (above, bias_gradient(above))

    return tf.nn.bias_add(outputs, bias) if outputs.dtype.size >= 4 else add(outputs, bias)


def bias_gradient(above: tf.Tensor) -> tf.Tensor:
    """The gradient of a bias: the sum over all pixels.

    Args:
        above: the gradient of the sum, (batch, height, width, channels).

    Returns:
        (channels,), of the same type, added up in float32 at least.
    """
    if above.dtype.size >= 4:
        return tf.raw_ops.BiasAddGrad(out_backprop=above)
    # TensorFlow sums bfloat16 in float32 by itself, but not float16.
    wide = tf.cast(above, tf.float32) if above.dtype == tf.float16 else above
    return tf.cast(tf.reduce_sum(wide, axis=(0, 1, 2)), above.dtype)
