"""Layers that are computed together with the one before them: the same bits as one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config.model import ModelSection
from cae.layers import (
    Conv2D,
    Conv2DTransposeToSize,
    DepthToSpace2D,
    MaxPooling2D,
    MaxPooling2DWithSwitches,
    ReLU,
    ResizeConv2D,
)
from cae.layers.interpolation import repeat_pixels
from cae.layers.origin import Biased, Rectified, origin_of
from cae.model import Autoencoder, build_autoencoder
from cae.plan import make_plan

Layers = Sequence[Callable[[Any], Any]]

PAIRS: dict[str, Callable[[str], Layers]] = {
    "transposed convolution, relu": lambda dtype: [
        Conv2DTransposeToSize(6, 3, output_size=(9, 11), bias_initializer="random_normal", dtype=dtype),
        ReLU(dtype=dtype),
    ],
    "folded resize, relu": lambda dtype: [
        ResizeConv2D(6, 3, 2, folded=True, bias_initializer="random_normal", dtype=dtype),
        ReLU(dtype=dtype),
    ],
    "channels to pixels, relu": lambda dtype: [DepthToSpace2D(2, (9, 11), dtype=dtype), ReLU(dtype=dtype)],
    "relu, max pooling": lambda dtype: [ReLU(dtype=dtype), MaxPooling2D(2, padding="same", dtype=dtype)],
    "relu, max pooling with switches": lambda dtype: [ReLU(dtype=dtype), MaxPooling2DWithSwitches(3, dtype=dtype)],
    "all in a row": lambda dtype: [
        Conv2DTransposeToSize(8, 3, bias_initializer="random_normal", dtype=dtype),
        DepthToSpace2D(2, (19, 23), dtype=dtype),
        ReLU(dtype=dtype),
        MaxPooling2DWithSwitches(2, dtype=dtype),
    ],
}


def bilinear_and_relu(dtype: str) -> Layers:
    resize = {"interpolation": "bilinear", "folded": True, "bias_initializer": "random_normal"}
    return [ResizeConv2D(6, 3, dtype=dtype, **resize), ReLU(dtype=dtype)]


def example(shape: tuple[int, ...], dtype: str, seed: int = 0) -> tf.Tensor:
    # Of few whole numbers, so that there are ties, and windows with nothing above 0.
    return tf.cast(np.random.default_rng(seed).integers(-6, 3, shape), dtype)


def values_and_gradients(layers: Layers, inputs: tf.Tensor, apart: bool) -> list[tf.Tensor]:
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs: Any = inputs
        for layer in layers:
            outputs = layer(tf.identity(outputs) if apart else outputs, training=True)
        first = tf.cast(tf.nest.flatten(outputs)[0], tf.float32)
        loss = tf.reduce_sum(first * tf.cast(example(first.shape, "float32", 1), tf.float32))
    return [*tf.nest.flatten(outputs), *tape.gradient(loss, [inputs, *variables])]


# XLA leaves out roundings in between, also within the kernel that a blur becomes a part of.
ROUNDED = {"float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2}


def assert_alike(pair: Callable[[str], Layers], dtype: str, compiled: bool, tolerance: float) -> None:
    inputs, layers = example((2, 5, 6, 8), dtype), pair(dtype)
    values_and_gradients(layers, inputs, apart=True)  # builds them
    function: Any = tf.function(values_and_gradients, jit_compile=compiled, autograph=False)
    for one, other in zip(function(layers, inputs, False), function(layers, inputs, True), strict=True):
        assert one.dtype == other.dtype
        found, expected = (tf.cast(tensor, tf.float32).numpy() for tensor in (one, other))
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("dtype", ROUNDED)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_together_and_apart_are_the_same_bits(pair, dtype) -> None:
    assert_alike(pair, dtype, compiled=False, tolerance=0.0)


@pytest.mark.parametrize("dtype", ROUNDED)
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_compiled_as_a_whole_they_are_the_same_but_for_rounding(pair, dtype) -> None:
    assert_alike(pair, dtype, compiled=True, tolerance=ROUNDED[dtype])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", ROUNDED)
def test_a_blur_rectified_in_one_pass_is_the_same_but_for_rounding(dtype, compiled) -> None:
    assert_alike(bilinear_and_relu, dtype, compiled, ROUNDED[dtype])


@pytest.mark.parametrize(
    "make_front",
    [
        lambda: Conv2DTransposeToSize(4, 3),
        lambda: DepthToSpace2D(2),
        lambda: ResizeConv2D(4, 3, interpolation="bilinear", folded=True),
    ],
)
def test_maps_in_between_are_on_the_gradients_way_where_nothing_is_trained(make_front) -> None:
    front, relu, pooling = make_front(), ReLU(), MaxPooling2D()

    @tf.function
    def gradients(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            sums = front(inputs)
            tape.watch(sums)
            rectified = relu(sums)
            tape.watch(rectified)
            loss = tf.reduce_sum(pooling(rectified))
        return tape.gradient(loss, [sums, rectified])

    of_sums, of_rectified = gradients(tf.constant(np.random.default_rng(8).normal(size=(2, 4, 4, 8)), tf.float32))
    assert np.count_nonzero(of_rectified) == 2 * 4 * 4 * of_rectified.shape[3]  # one for each pooled value
    assert 0 < np.count_nonzero(of_sums) <= np.count_nonzero(of_rectified)


def test_relu_and_pooling_are_numpys() -> None:
    image = np.random.default_rng(3).normal(size=(2, 4, 6, 3)).astype("float32")
    rectified = np.maximum(image, 0)
    expected = rectified.reshape(2, 2, 2, 3, 2, 3).max(axis=(2, 4))
    np.testing.assert_array_equal(MaxPooling2D()(ReLU()(tf.constant(image))), expected)
    pooled, switches = MaxPooling2DWithSwitches()(ReLU()(tf.constant(image)))
    np.testing.assert_array_equal(pooled, expected)
    windows = rectified.reshape(2, 2, 2, 3, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(2, 2, 3, 3, 4)
    np.testing.assert_array_equal(switches, windows.argmax(axis=-1))


def test_nothing_is_done_together_that_was_changed_in_between() -> None:
    @tf.function
    def pool(image: tf.Tensor) -> tf.Tensor:
        rectified = ReLU()(image, training=True)
        assert isinstance(origin_of(rectified), Rectified)
        assert origin_of(rectified - 5.0) is None
        return MaxPooling2D()(rectified - 5.0, training=True)

    assert float(pool(tf.constant([[[[-1.0], [2.0]], [[3.0], [-4.0]]]]))[0, 0, 0, 0]) == -2.0


@pytest.mark.parametrize("downsampling", ["max_pool", "average_pool"])
def test_a_built_encoder_keeps_each_steps_output(downsampling) -> None:
    encoder = built("conv_transpose", downsampling).encoder
    images = np.random.default_rng(5).random((2, 12, 12, 1), np.float32)
    names = ["stage_1_conv_1", "stage_1_conv_1_relu", "stage_1_pool"]
    steps = keras.Model(encoder.input, [encoder.get_layer(name).output for name in names])
    for training in (False, True):
        convolved, rectified, pooled = steps(images, training=training)
        np.testing.assert_array_equal(rectified, np.maximum(convolved, 0))
        windows = np.asarray(rectified).reshape(2, 6, 2, 6, 2, 8)
        expected = windows.max(axis=(2, 4)) if downsampling == "max_pool" else windows.mean(axis=(2, 4))
        np.testing.assert_allclose(pooled, expected, rtol=1e-6)


@pytest.mark.parametrize(("upsampling", "relus"), [("conv_transpose", 0), ("subpixel", 2), ("max_unpool", 2)])
def test_training_leaves_out_what_is_needed_no_more(upsampling, relus) -> None:
    """Of the decoder: relus outside of compiled kernels; those of the encoder are all behind its pooling."""
    autoencoder = built(upsampling, "max_pool")
    images = tf.zeros((2, 12, 12, 1))
    step = tf.function(lambda images: autoencoder.model(images, training=True), autograph=False)
    function = step.get_concrete_function(images)
    graph = function.graph.as_graph_def(add_shapes=True)
    used = tf.compat.v1.graph_util.extract_sub_graph(graph, [function.outputs[0].op.name])
    sizes = [node.attr["_output_shapes"].list.shape[0].dim[1].size for node in used.node if node.op == "Relu"]
    pooled = [] if upsampling == "max_unpool" else [6, 3]
    assert sizes[: len(pooled)] == pooled
    assert len(sizes) == len(pooled) + relus


def built(upsampling: str, downsampling: str) -> Autoencoder:
    section = {"encoder": {"filters": [8, 12], "downsampling": downsampling}, "decoder": {"upsampling": upsampling}}
    return build_autoencoder(make_plan(ModelSection.model_validate({**section, "bottleneck": "none"}), (12, 12, 1)))


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)])
def test_the_gradient_of_repeated_pixels_is_the_sum_over_each_window(factor, dtype, tolerance) -> None:
    image = example((2, 3, 5, 4), dtype)
    above = tf.cast(np.random.default_rng(7).normal(size=(2, 3 * factor, 5 * factor, 4)), dtype)
    with tf.GradientTape() as tape:
        tape.watch(image)
        outputs = repeat_pixels(image, factor)
    np.testing.assert_array_equal(
        tf.cast(outputs, tf.float32), np.kron(tf.cast(image, tf.float32), np.ones((1, factor, factor, 1)))
    )
    windows = tf.cast(above, tf.float64).numpy().reshape(2, 3, factor, 5, factor, 4)
    found = tf.cast(tape.gradient(outputs, image, output_gradients=above), tf.float64)
    np.testing.assert_allclose(found, windows.sum(axis=(2, 4)), atol=tolerance * factor**2)


def test_plain_convolutions_leave_their_bias_to_tensorflow() -> None:
    # It fuses convolution, bias and relu; a bias added by ourselves would be in its way.
    def origin_behind(layer: keras.layers.Layer) -> Any:
        found: list[Any] = []
        graph = tf.function(lambda images: found.append(origin_of(layer(images))))
        graph.get_concrete_function(example((1, 4, 4, 3), "float32"))
        return found[-1]

    assert origin_behind(Conv2D(8, 3, padding="same")) is None
    assert isinstance(origin_behind(Conv2DTransposeToSize(8, 3)), Biased)


def test_tensors_outside_of_graphs_do_not_keep_what_they_were_made_of() -> None:
    image = example((1, 4, 4, 8), "float32")
    for layer in (ReLU(), DepthToSpace2D(2), Conv2DTransposeToSize(3, 3)):
        assert origin_of(layer(image)) is None
