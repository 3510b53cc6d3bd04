"""Convolution to few filters, held against TensorFlow's convolution."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.forms import has_few_filters, pixels_at_once
from cae.layers import Conv2D
from cae.layers.conv import convolve_to_few_filters

SHAPES = pytest.mark.parametrize(
    ("images", "kernel"),
    [
        ((2, 8, 12, 16), (3, 3, 16, 1)),
        ((2, 6, 8, 32), (3, 3, 32, 3)),
        ((1, 5, 7, 9), (3, 3, 9, 1)),
        ((3, 1, 1, 40), (3, 3, 40, 4)),
        ((2, 2, 3, 30), (5, 4, 30, 1)),
        ((2, 7, 4, 12), (2, 3, 12, 2)),
        ((1, 3, 9, 8), (1, 7, 8, 1)),
    ],
)


def example(shape: tuple[int, ...], seed: int, dtype: str) -> tf.Tensor:
    return tf.cast(np.random.default_rng(seed).normal(size=shape), dtype)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("side", [None, 1])
@SHAPES
def test_values_and_gradients_are_those_of_the_convolution(images, kernel, side, compiled) -> None:
    def plainly(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.nn.conv2d(inputs, kernel, 1, "SAME")

    def in_squares(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        chosen = side or pixels_at_once(kernel.shape, inputs.shape[1:3], "float32")
        return convolve_to_few_filters(inputs, kernel, chosen)

    def all_of(form, inputs, kernel):
        with tf.GradientTape() as tape:
            tape.watch((inputs, kernel))
            outputs = form(inputs, kernel)
            loss = tf.reduce_sum(tf.sin(outputs))
        return outputs, *tape.gradient(loss, (inputs, kernel))

    arguments = example(images, 1, "float64"), example(kernel, 2, "float64")
    expected = all_of(plainly, *arguments)
    found = tf.function(all_of, jit_compile=compiled, autograph=False)(in_squares, *arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("filters", [1, 2, 3, 4])
@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 8), (6, 7), (9, 4)])
def test_squares_keep_pixels_in_their_places_at_every_size(size, kernel_size, filters) -> None:
    images, kernel = example((2, *size, 3), 8, "float64"), example((kernel_size, kernel_size, 3, filters), 9, "float64")
    side = pixels_at_once(kernel.shape, size, "float32")
    expected = tf.nn.conv2d(images, kernel, 1, "SAME")
    np.testing.assert_allclose(convolve_to_few_filters(images, kernel, side), expected, atol=1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float16", 2e-3), ("bfloat16", 1.6e-2)])
def test_each_float_type_rounds_no_more_than_a_convolution_of_it_does(dtype, tolerance) -> None:
    inputs, kernel = example((4, 9, 11, 64), 3, dtype), example((3, 3, 64, 3), 4, dtype)
    exact = tf.nn.conv2d(tf.cast(inputs, tf.float64), tf.cast(kernel, tf.float64), 1, "SAME").numpy()
    side = pixels_at_once(kernel.shape, inputs.shape[1:3], "float32")
    found = tf.cast(convolve_to_few_filters(inputs, kernel, side), tf.float64).numpy()
    assert np.abs(found - exact).max() < tolerance * np.abs(exact).max()


def test_a_graph_takes_pictures_of_any_size() -> None:
    layer = Conv2D(2, 3, padding="same")
    layer.build((None, None, None, 40))
    graph = tf.function(layer, input_signature=[tf.TensorSpec((None, None, None, 40))])
    for size in ((1, 4, 5), (3, 6, 2)):
        images = example((*size, 40), 5, "float32")
        expected = tf.nn.conv2d(images, layer.kernel, 1, "SAME") + layer.bias
        np.testing.assert_allclose(graph(images), expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments",
    [
        {"padding": "same"},
        {"padding": "valid"},
        {"padding": "same", "strides": 2},
        {"padding": "same", "dilation_rate": 2},
        {"padding": "same", "groups": 2},
        {"padding": "same", "use_bias": False, "activation": "relu"},
    ],
)
def test_the_layer_is_keras_convolution_whatever_its_arguments(arguments) -> None:
    images = example((2, 7, 8, 48), 6, "float32")
    ours, theirs = Conv2D(2, 3, **arguments), keras.layers.Conv2D(2, 3, **arguments)
    expected_shape = theirs(images).shape
    assert ours(images).shape == expected_shape
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


def test_weights_files_are_keras_own(tmp_path) -> None:
    def model(layer):
        images = keras.Input((8, 8, 32))
        return keras.Model(images, layer(1, 3, padding="same")(layer(32, 3, padding="same")(images)))

    theirs, ours = model(keras.layers.Conv2D), model(Conv2D)
    theirs.save_weights(tmp_path / "model.weights.h5")
    ours.load_weights(tmp_path / "model.weights.h5")
    images = example((2, 8, 8, 32), 7, "float32")
    np.testing.assert_allclose(ours(images), theirs(images), atol=1e-5)


def test_single_taps_many_filters_and_gpus_stay_convolutions() -> None:
    assert has_few_filters((5, 5, 50, 1))
    assert not has_few_filters((1, 1, 512, 1))
    assert not has_few_filters((3, 3, 512, 5))
    assert not has_few_filters((5, 5, 50, 1), on_gpu=True)


def test_squares_fill_a_vector_where_same_padding_allows_it() -> None:
    assert [pixels_at_once((3, 3, 8, filters), (8, 7), "float32") for filters in (1, 2, 3, 4)] == [4, 2, 2, 2]
    # Of 10 pixels 2 are missing, which SAME padding of strides 4 would put half in front.
    assert pixels_at_once((3, 3, 8, 1), (8, 10), "float32") == 2
    assert pixels_at_once((2, 2, 8, 1), (8, 10), "float32") == 2
    assert pixels_at_once((2, 2, 8, 1), (8, 9), "float32") == 1
    assert pixels_at_once((3, 3, 8, 1), (None, 8), "float32") == 1


@pytest.mark.parametrize("has_units", [False, True])
def test_matrix_units_of_the_processor_make_16_bits_single_pixels(has_units, monkeypatch) -> None:
    monkeypatch.setattr("cae.forms.has_matrix_units", lambda: has_units)
    assert pixels_at_once((3, 3, 32, 1), (28, 28), "bfloat16") == (1 if has_units else 4)
    assert pixels_at_once((3, 3, 32, 1), (28, 28), "float32") == 4
