"""Biases of 16-bit layers: their gradient is the number of pixels, however many there are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import Conv2DTransposeToSize, TiedConv2DTranspose


def tied(dtype: str) -> keras.layers.Layer:
    convolution = keras.layers.Conv2D(64, 3, padding="same", dtype=dtype)
    convolution.build((None, 64, 64, 2))
    return TiedConv2DTranspose(convolution, output_size=(64, 64), dtype=dtype)


LAYERS = {
    "Conv2DTransposeToSize": (lambda dtype: Conv2DTransposeToSize(2, 3, 2, dtype=dtype), 32),
    "TiedConv2DTranspose": (tied, 64),
}


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16", "float32"])
@pytest.mark.parametrize(("make", "side"), LAYERS.values(), ids=LAYERS)
def test_a_bias_is_pulled_by_every_pixel(make, side, dtype) -> None:
    layer = make(dtype)
    features = tf.zeros((2, side, side, 64))

    @tf.function(autograph=False)
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = layer(features)
        return tape.gradient(outputs, layer.bias.value)

    np.testing.assert_allclose(gradient(), 2 * 64 * 64, rtol=1e-3)
