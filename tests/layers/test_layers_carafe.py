"""Content-aware reassembly against the formula, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf

from cae.layers import Carafe2D
from tests.layers.layer_oracles import middle


def convolved(maps, kernel, bias):
    more, (height, width) = len(kernel) // 2, maps.shape[1:3]
    padded = np.pad(maps, [(0, 0), (more, more), (more, more), (0, 0)])
    taps = [
        padded[:, a : a + height, b : b + width] @ kernel[a, b] for a in range(len(kernel)) for b in range(len(kernel))
    ]
    return sum(taps) + bias


def reassembled(maps, weights, factor, side):
    compress, compress_bias, encode, encode_bias = weights
    logits = convolved(convolved(maps, compress, compress_bias), encode, encode_bias)
    batch, height, width, channels = maps.shape
    more, found = side // 2, np.zeros((batch, height * factor, width * factor, channels))
    padded = np.pad(maps, [(0, 0), (more, more), (more, more), (0, 0)])
    for n, y, x in np.ndindex(found.shape[:3]):
        i, j, phase = y // factor, x // factor, (y % factor) * factor + x % factor
        taps = np.exp(logits[n, i, j, phase * side**2 : (phase + 1) * side**2])
        neighbours = padded[n, i : i + side, j : j + side].reshape(-1, channels)
        found[n, y, x] = taps / taps.sum() @ neighbours
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 6e-2)])
@pytest.mark.parametrize(("factor", "side", "size"), [(2, 5, (5, 7)), (3, 3, (8, 10))])
def test_each_pixel_is_a_weighted_mean_of_its_neighbourhood(factor, side, size, dtype, tolerance):
    generator = np.random.default_rng(0)
    layer = Carafe2D(factor, size, side, compressed_channels=6, dtype=dtype)
    maps = tf.cast(generator.normal(size=(2, *(-(-n // factor) for n in size), 3)), dtype)
    layer.build(maps.shape)
    layer.set_weights([generator.normal(0, 0.4, weight.shape) for weight in layer.weights])
    weights = [tf.cast(weight, tf.float64).numpy() for weight in layer.weights]
    expected = middle(reassembled(tf.cast(maps, tf.float64).numpy(), weights, factor, side), size)
    np.testing.assert_allclose(tf.cast(layer(maps), tf.float64), expected, atol=tolerance)
