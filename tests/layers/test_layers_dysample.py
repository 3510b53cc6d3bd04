"""Dynamic sampling against SciPy's interpolation at the places that the formula gives, and against resizing."""

import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from cae.layers import DySample2D
from tests.layers.layer_oracles import middle


def read(maps, weights, factor, groups):
    """What each pixel is, by the published formula; never read further than a row and a column away."""
    kernel, bias, *scope = weights
    offsets = maps @ kernel[0, 0] + bias
    offsets = offsets * (0.5 / (1 + np.exp(-(maps @ scope[0][0, 0]))) if scope else 0.25)
    batch, height, width, channels = maps.shape
    offsets = np.moveaxis(offsets.reshape(batch, height, width, 2, groups, factor, factor), 3, -1)
    found = np.zeros((batch, height * factor, width * factor, channels))
    for n, y, x, c in np.ndindex(found.shape):
        i, j, r, s = y // factor, x // factor, y % factor, x % factor
        aside = (np.array([r, s]) + 0.5) / factor - 0.5 + offsets[n, i, j, c // (channels // groups), r, s]
        place = np.array([i, j]) + np.clip(aside, -1, 1)
        found[n, y, x, c] = scipy.ndimage.map_coordinates(maps[n, :, :, c], place[:, None], order=1, mode="nearest")[0]
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 1e-2), ("bfloat16", 8e-2)])
@pytest.mark.parametrize(
    ("factor", "groups", "dynamic", "size"), [(2, 1, False, (5, 7)), (3, 2, True, (8, 10)), (2, 4, True, (2, 1))]
)
def test_each_pixel_is_read_where_the_convolution_says(factor, groups, dynamic, size, dtype, tolerance):
    generator = np.random.default_rng(0)
    layer = DySample2D(factor, size, groups, dynamic, dtype=dtype)
    maps = tf.cast(generator.normal(size=(2, *(-(-n // factor) for n in size), 4)), dtype)
    layer.build(maps.shape)
    layer.set_weights([generator.normal(0, 1, weight.shape) for weight in layer.weights])
    weights = [tf.cast(weight, dtype) for weight in layer.weights]
    weights = [tf.cast(weight, tf.float64).numpy() for weight in weights]
    expected = middle(read(tf.cast(maps, tf.float64).numpy(), weights, factor, groups), size)
    np.testing.assert_allclose(tf.cast(layer(maps), tf.float64), expected, atol=tolerance)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_without_offsets_it_is_bilinear_resizing(factor):
    maps = np.random.default_rng(1).random((2, 5, 3, 2), np.float32)
    layer = DySample2D(factor, dynamic_scope=True)
    layer.build(maps.shape)
    layer.set_weights([0 * weight for weight in layer.get_weights()])
    expected = tf.image.resize(maps, (5 * factor, 3 * factor), "bilinear")
    np.testing.assert_allclose(layer(maps), expected, atol=1e-5)


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError, match=r"groups=3, channels=4"):
        DySample2D(groups=3).build((None, 2, 2, 4))
