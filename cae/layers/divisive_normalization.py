"""Generalised divisive normalisation."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cae.layers.gradients import custom_gradient

# Weights are kept as roots of what they stand for, moved a little so that the gradient at zero is not zero.
_PEDESTAL = 2.0**-36
_LEAST_BETA = 1e-6


@keras.saving.register_keras_serializable(package="cae")
class DivisiveNormalization2D(keras.layers.Layer):
    """Divides each channel by a norm of all channels at its place, or multiplies it.

    `y_i = x_i / sqrt(beta_i + sum_j gamma_ij * x_j^2)`; with `inverse` the root is a factor. It starts with beta 1 and
    gamma 0.1 on the diagonal. Weights are kept as square roots, below which they cannot fall; it computes in float32.

    Example:
    >>> import numpy as np
    >>> pixel = np.array([3.0, 0.0], "float32").reshape(1, 1, 1, 2)
    >>> [round(float(value), 4) for value in np.array(DivisiveNormalization2D()(pixel))[0, 0, 0]]  # 3 / sqrt(1.9)
    [2.1764, 0.0]

    Args:
        inverse: whether to multiply.
        **kwargs: `name`, `dtype` and whatever else every Keras layer takes.

    Call arguments:
        inputs: features of shape (batch, height, width, channels).

    Output shape:
        The input's.

    Reference:
        Balle et al. 2016, "Density Modeling of Images using a Generalized Normalization Transformation".
    """

    def __init__(self, inverse: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inverse = inverse
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        channels = input_shape[3]
        root = (0.1 + _PEDESTAL) ** 0.5
        self.beta = self.add_weight(name="beta", shape=(channels,), initializer="ones")
        self.gamma = self.add_weight(
            name="gamma", shape=(channels, channels), initializer=keras.initializers.Identity(root)
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the normalised features."""
        wide = inputs.dtype if inputs.dtype.size > 4 else tf.float32
        x = tf.cast(inputs, wide)
        beta = _squared(tf.cast(self.beta, wide), _LEAST_BETA)
        gamma = _squared(tf.cast(self.gamma, wide), 0.0)  # [j, i]
        norms = tf.nn.conv2d(tf.square(x), gamma[None, None], 1, "SAME") + beta
        return tf.cast(x * (tf.sqrt(norms) if self.inverse else tf.math.rsqrt(norms)), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "inverse": self.inverse}


def _squared(root: tf.Tensor, least: float) -> tf.Tensor:
    """The number that a root stands for, at least `least`; below that, gradients pass which would make it larger."""
    bound = tf.constant((least + _PEDESTAL) ** 0.5, root.dtype)

    @custom_gradient
    def bounded(root: tf.Tensor) -> Any:
        def gradient(above: tf.Tensor) -> tf.Tensor:
            return tf.where((root >= bound) | (above < 0), above, tf.zeros_like(above))

        return tf.maximum(root, bound), gradient

    return tf.square(bounded(root)) - _PEDESTAL
