"""Content-aware reassembly against the formula, pixel by pixel."""

import numpy as np
import pytest
import tensorflow as tf

from cae.layers import Carafe2D
from cae.layers.windows import neighbours
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


@pytest.mark.parametrize("side", [1, 3])
def test_gradients_of_neighbourhoods_go_back_to_the_pixels_that_these_were_read_from(side):
    generator = np.random.default_rng(1)
    padded = tf.constant(generator.normal(size=(2, 4 + side, 6 + side, 3)))
    with tf.GradientTape() as tape:
        tape.watch(padded)
        found = neighbours(padded, side)
    above, expected = generator.normal(size=tuple(found.shape)), np.zeros(tuple(padded.shape))
    for i, j, a, b in np.ndindex(5, 7, side, side):
        np.testing.assert_array_equal(found[:, i, j, side * a + b], padded[:, i + a, j + b])
        expected[:, i + a, j + b] += above[:, i, j, side * a + b]
    np.testing.assert_allclose(tape.gradient(found, padded, tf.constant(above)), expected, atol=1e-12)
