"""What the figures and tables on upsampling show is what the layers compute."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from cae.layers import Conv2DTransposeToSize, FixedUnpooling2D, MaxPooling2DWithSwitches, MaxUnpooling2D, Resize2D
from docs.upsampling import checkerboards, folding, leaks, maps, parameters, sizes, transposed, unpooling


def as_batch(grid):
    return np.asarray(grid, "float32")[None, :, :, None]


def as_grid(batch):
    return np.array(batch)[0, :, :, 0]


def transposed_convolution(kernel, **options):
    """A Keras layer with strides 2 and SAME padding; `kernel` is (height, width, out, in)."""
    layer = keras.layers.Conv2DTranspose(kernel.shape[2], kernel.shape[:2], 2, "same", use_bias=False, **options)
    layer.build((None, None, None, kernel.shape[3]))
    layer.set_weights([kernel])
    return layer


def test_the_unpooling_figure_shows_what_the_layers_do():
    found = unpooling.numbers()
    pooled, switches = MaxPooling2DWithSwitches()(as_batch(unpooling.IMAGE))

    np.testing.assert_array_equal(as_grid(pooled), found["pooled"])
    np.testing.assert_array_equal(as_grid(switches), found["switches"])
    np.testing.assert_array_equal(as_grid(MaxUnpooling2D()((pooled, switches))), found["unpooled"])
    np.testing.assert_array_equal(as_grid(FixedUnpooling2D()(pooled)), found["fixed"])
    assert set(np.ravel(found["switches"])) == {0, 1, 2, 3}


def test_the_animated_convolution_gives_the_transposed_convolution():
    found = transposed.numbers()
    layer = transposed_convolution(transposed.KERNEL.astype("float32")[:, :, None, None])

    np.testing.assert_array_equal(as_grid(layer(as_batch(transposed.VALUES))), found["outputs"])
    assert np.count_nonzero(found["padded"]) == transposed.VALUES.size


def test_maps_are_painted_and_added_as_the_transposed_convolution_does():
    found = maps.numbers()
    features = np.moveaxis(maps.MAPS, 0, -1)[None].astype("float32")
    layer = transposed_convolution(np.moveaxis(maps.KERNELS, 0, -1)[:, :, None].astype("float32"))

    np.testing.assert_array_equal(as_grid(layer(features)), found["sum"])
    for number, painted in enumerate(found["painted"]):
        np.testing.assert_array_equal(as_grid(layer(features * np.eye(2)[number])), painted)


def test_the_folded_kernel_of_the_figure_is_resize_and_convolution():
    taps = dict(zip("abcdefghi", np.random.default_rng(1).integers(-9, 10, 9).tolist(), strict=True))
    kernel = np.array([[taps[name] for name in row] for row in folding.NAMES], "float32")
    folded = [[sum(taps[name] for name in text.split("+")) for text in row] for row in folding.numbers()["transposed"]]
    values = np.random.default_rng(2).integers(-9, 10, (1, 5, 3, 1)).astype("float32")

    convolved = keras.ops.conv(Resize2D()(values), kernel[:, :, None, None], padding="same")
    layer = transposed_convolution(np.array(folded, "float32")[:, :, None, None])
    np.testing.assert_array_equal(np.array(layer(values)), np.array(convolved))


def test_the_checkerboards_are_what_keras_makes_of_a_constant():
    found = checkerboards.numbers()
    taps = {"ones_3": np.ones((3, 3)), "ones_4": np.ones((4, 4))}
    taps |= {"bilinear_3": checkerboards.BILINEAR, "unlike_4": checkerboards.UNLIKE}

    assert taps.keys() == found.keys()
    for name, kernel in taps.items():
        layer = transposed_convolution(kernel.astype("float32")[:, :, None, None])
        np.testing.assert_array_equal(as_grid(layer(np.ones((1, 4, 4, 1), "float32"))), found[name])
    assert sorted(np.ravel(found["ones_3"][2:4, 2:4])) == [1, 2, 2, 4]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_the_formula_gives_the_output_sizes_of_keras(strides, padding):
    for kernel in range(1, 6):
        for extra in (None, *range(strides)):
            layer = keras.layers.Conv2DTranspose(1, kernel, strides, padding, output_padding=extra)
            expected = [sizes.output_size(n, kernel, strides, padding, extra) for n in range(8)]
            # Where a kernel is cut to nothing there is no output.
            for n in (n for n in range(1, 8) if expected[n] > 0):
                assert layer.compute_output_shape((1, n, 4, 1))[1] == expected[n], (kernel, extra, n)
            # TensorFlow computes only what the convolution with these strides would bring back to 3 values.
            if kernel in (3, 4) and (padding == "valid" or math.ceil(expected[3] / strides) == 3):
                assert layer(np.zeros((1, 3, 6, 1), "float32")).shape[1:3] == (expected[3], expected[6])


@pytest.mark.parametrize("image", [*range(4, 20), 99])
def test_the_table_states_that_the_program_restores_every_size(image):
    assert sizes.restored_size(image) == (math.ceil(image / 2), image)


def test_the_table_of_sizes_covers_odd_and_even_images_with_equal_codes():
    header, *rows = sizes.table()

    assert all(len(row) == len(header) for row in rows)
    assert {row[0] % 2 for row in rows} == {0, 1}
    assert all(row[0] == row[-1] for row in rows)
    assert len({row[1] for row in rows}) < len(rows)


@pytest.mark.parametrize("size", [7, 8])
def test_the_figure_of_sizes_drops_what_the_layer_drops(size):
    found = sizes.numbers()
    kernel, values = np.array([2.0, 3.0, 5.0]), [1.0, 10.0, 100.0, 1000.0]
    painted = np.zeros(found["full"])
    for place, value in enumerate(values):
        painted[2 * place : 2 * place + 3] += value * kernel
    before, after = found[f"dropped_{size}"]

    layer = Conv2DTransposeToSize(1, (1, 3), (1, 2), output_size=(1, size), use_bias=False)
    layer.build((1, 1, 4, 1))
    layer.set_weights([kernel.reshape(1, 3, 1, 1)])
    outputs = np.array(layer(np.reshape(values, (1, 1, 4, 1)).astype("float32")))
    np.testing.assert_array_equal(outputs.ravel(), painted[before : len(painted) - after])


def test_the_table_of_weights_agrees_with_keras():
    def count(layer, channels):
        layer.build((None, 7, 7, channels))
        return layer.count_params()

    convolution = count(keras.layers.Conv2D(32, 3), 64)
    expected = dict.fromkeys(("resize", "max_unpool", "fixed_unpool"), (0, convolution))
    expected["bilinear_additive"] = (0, count(keras.layers.Conv2D(32, 3), 64 // 4))
    expected["conv_transpose, 3x3"] = (count(keras.layers.Conv2DTranspose(32, 3, 2), 64), 0)
    expected["conv_transpose, 4x4"] = (count(keras.layers.Conv2DTranspose(32, 4, 2), 64), 0)
    expected["subpixel"] = (0, count(keras.layers.Conv2D(4 * 32, 3), 64))
    expected["haar"] = expected["subpixel"]
    expected["dysample"] = (count(keras.layers.Conv2D(2 * 4, 1), 64), convolution)
    predicting = count(keras.layers.Conv2D(64, 1), 64) + count(keras.layers.Conv2D(4 * 25, 3), 64)
    expected["carafe"] = (predicting, convolution)
    expected["max_unpool, tied"] = (0, 32)  # a bias for each channel

    _, *rows = parameters.table()
    assert {kind: (own, other) for kind, own, other, _ in rows} == expected
    assert all(own + other == together for _, own, other, together in rows)


def test_the_figure_of_switches_shows_those_of_the_layer():
    found = leaks.numbers()
    _, switches = MaxPooling2DWithSwitches()(found["images"][..., None].astype("float32"))

    np.testing.assert_array_equal(np.array(switches)[..., 0], found["switches"])


def test_the_table_of_bits_counts_two_for_each_pooled_value():
    first, second = 14 * 14 * 32, 7 * 7 * 64

    bits = [row[-1] for row in leaks.table()[1:]]
    assert bits == [
        f"{count:,}" for count in (28 * 28 * 8, 7 * 7 * 8 * 32, 2 * first, 2 * second, 2 * (first + second))
    ]
