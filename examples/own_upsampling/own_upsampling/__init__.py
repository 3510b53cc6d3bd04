"""A layer that repeats each value, then blurs: no checkerboards, and smoother than nearest resizing."""

import keras
import numpy as np


@keras.saving.register_keras_serializable(package="own_upsampling")
class Blurred(keras.layers.Layer):
    """Enlarges maps by 2: repeats each value, then blurs each channel with the binomial filter (1, 2, 1) / 4."""

    factor = 2

    def call(self, maps):
        """Return maps of shape (batch, 2 * height, 2 * width, channels)."""
        repeated = keras.ops.repeat(keras.ops.repeat(maps, 2, axis=1), 2, axis=2)
        binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16
        kernel = np.tile(binomial[:, :, None, None], (1, 1, maps.shape[-1], 1))
        kernel = keras.ops.cast(kernel, self.compute_dtype)
        return keras.ops.depthwise_conv(repeated, kernel, padding="same")
