"""The blur behind upsampling, and starts of transposed convolutions, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from cae.layers import Blur2D, Conv2DTransposeToSize, FixedUnpooling2D, ResizeInitializer


def blurred(maps, weights):
    """Each pixel and its neighbours, with the last row and column repeated past the borders."""
    more, (height, width) = len(weights) // 2, maps.shape[1:3]
    padded = np.pad(maps, [(0, 0), (more, more), (more, more), (0, 0)], "edge")
    offsets = range(len(weights))
    return sum(weights[a] * weights[b] * padded[:, a : a + height, b : b + width] for a in offsets for b in offsets)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 5e-3), ("bfloat16", 4e-2)])
@pytest.mark.parametrize(("factor", "weights"), [(2, [1, 2, 1]), (3, [1, 2, 3, 2, 1])])
def test_blurring_weighs_neighbours_by_a_box_applied_twice(factor, weights, dtype, tolerance):
    maps = np.random.default_rng(0).normal(size=(2, 5, 7, 3))
    found = Blur2D(factor, dtype=dtype)(tf.cast(maps, dtype))
    expected = blurred(maps, np.array(weights) / factor**2)
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, atol=tolerance)


@pytest.mark.parametrize("factor", [2, 3])
def test_blurring_takes_out_the_period_of_unpooling(factor):
    spread = Blur2D(factor)(FixedUnpooling2D(factor)(np.ones((1, 6, 5, 1), np.float32)))
    np.testing.assert_allclose(spread[:, factor:-factor, factor:-factor], 1 / factor**2, rtol=1e-5)


def interpolated(values, factor, middle):
    """Values along the first axis, `factor` pixels apart, the first at pixel `middle`, and what lies between."""
    places = (np.arange(factor * len(values)) - middle) / factor
    return np.stack([np.interp(places, np.arange(len(values)), column) for column in values.T], axis=1)


@pytest.mark.parametrize(("size", "strides"), [(4, 2), (3, 2), (5, 2), (6, 3)])
def test_a_bilinear_start_interpolates_linearly_between_the_middles_of_its_kernels(size, strides):
    values = np.random.default_rng(1).random((6, 5))
    start = ResizeInitializer(strides, "bilinear", "ones")
    layer = Conv2DTransposeToSize(1, size, strides, kernel_initializer=start, dtype="float64")
    middle = (size - 1) / 2 - (size - strides) // 2  # SAME cuts so many pixels off in front
    expected = interpolated(interpolated(values, strides, middle).T, strides, middle).T
    inner = slice(strides, -strides)
    found = np.asarray(layer(values.reshape(1, 6, 5, 1)))[0, :, :, 0]
    np.testing.assert_allclose(found[inner, inner], expected[inner, inner], atol=1e-12)


def test_equal_phases_repeat_what_a_smaller_convolution_gives():
    maps = np.random.default_rng(2).random((1, 4, 4, 3), np.float32)
    start = ResizeInitializer(2, "nearest")
    found = np.asarray(Conv2DTransposeToSize(2, 4, 2, kernel_initializer=start, use_bias=False)(maps))
    inner = found[:, 1:-1, 1:-1]  # SAME of a 4x4 kernel begins one pixel within a square
    squares = inner.reshape(1, 3, 2, 3, 2, 2)
    np.testing.assert_array_equal(squares, np.broadcast_to(squares[:, :, :1, :, :1], squares.shape))
    assert np.ptp(inner) > 0.1
    with pytest.raises(ValueError, match="multiples of the strides, 2"):
        start((3, 3, 2, 3))
