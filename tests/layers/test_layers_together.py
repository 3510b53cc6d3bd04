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
from cae.layers.origin import Rectified, origin_of
from cae.model import build_autoencoder
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
    "folded bilinear resize, relu": lambda dtype: [
        ResizeConv2D(6, 3, 2, interpolation="bilinear", folded=True, bias_initializer="random_normal", dtype=dtype),
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


def example(shape: tuple[int, ...], dtype: str, seed: int = 0) -> tf.Tensor:
    # Of few whole numbers, so that there are ties, and windows with nothing above 0.
    return tf.cast(np.random.default_rng(seed).integers(-6, 3, shape), dtype)


def values_and_gradients(layers: Layers, inputs: tf.Tensor, apart: bool) -> list[tf.Tensor]:
    variables = [variable for layer in layers for variable in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs: Any = inputs
        for layer in layers:
            outputs = layer(tf.identity(outputs) if apart else outputs)
        first = tf.cast(tf.nest.flatten(outputs)[0], tf.float32)
        loss = tf.reduce_sum(first * tf.cast(example(first.shape, "float32", 1), tf.float32))
    return [*tf.nest.flatten(outputs), *tape.gradient(loss, [inputs, *variables])]


@pytest.mark.parametrize("where", ["eager", "graph", "xla"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_together_and_apart_are_the_same_bits(pair, dtype, where, request) -> None:
    inputs, layers = example((2, 5, 6, 8), dtype), pair(dtype)
    values_and_gradients(layers, inputs, apart=True)  # builds them
    function: Any = values_and_gradients
    if where != "eager":
        function = tf.function(values_and_gradients, jit_compile=where == "xla", autograph=False)
    # XLA itself leaves out roundings in between, also within the kernel that a blur is part of.
    is_exact = where != "xla" and "bilinear" not in request.node.callspec.id
    tolerance = 0.0 if is_exact else {"float32": 1e-5, "float16": 5e-3, "bfloat16": 3e-2}[dtype]
    for one, other in zip(function(layers, inputs, False), function(layers, inputs, True), strict=True):
        assert one.dtype == other.dtype
        one, other = (tf.cast(tensor, tf.float32).numpy() for tensor in (one, other))
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * np.abs(other).max())


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
    image = tf.constant([[[[-1.0], [2.0]], [[3.0], [-4.0]]]])
    rectified = ReLU()(image)
    assert isinstance(origin_of(rectified), Rectified)
    assert origin_of(rectified - 5.0) is None
    assert float(MaxPooling2D()(rectified - 5.0)[0, 0, 0, 0]) == -2.0


@pytest.mark.parametrize("upsampling", ["resize", "conv_transpose", "subpixel", "max_unpool"])
def test_a_built_model_keeps_each_steps_output_and_computes_none_for_nothing(upsampling) -> None:
    section = ModelSection.model_validate(
        {"encoder": {"filters": [4, 6]}, "decoder": {"upsampling": upsampling}, "bottleneck": "none"}
    )
    autoencoder = build_autoencoder(make_plan(section, (12, 12, 1)))
    images = np.random.default_rng(5).random((2, 12, 12, 1), np.float32)
    encoder = autoencoder.encoder
    names = ["stage_1_conv_1", "stage_1_conv_1_relu", "stage_1_pool"]
    steps = keras.Model(encoder.input, [encoder.get_layer(name).output for name in names])
    convolved, rectified, pooled = steps(images)
    pooled = pooled[0] if isinstance(pooled, list | tuple) else pooled
    np.testing.assert_array_equal(rectified, np.maximum(convolved, 0))
    np.testing.assert_array_equal(pooled, np.asarray(rectified).reshape(2, 6, 2, 6, 2, 4).max(axis=(2, 4)))


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
    outputs = Conv2D(8, 3, padding="same")(example((1, 4, 4, 3), "float32"))
    assert origin_of(outputs) is None
