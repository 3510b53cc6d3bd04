"""The transpose of a convolution, with its very kernel."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import TiedConv2DTranspose

SIZE = (11, 8)


def convolution(kernel_size=3, strides=1, padding="same", channels=2, filters=3, size=SIZE):
    layer = keras.layers.Conv2D(filters, kernel_size, strides, padding, use_bias=False)
    layer.build((None, *size, channels))
    return layer


def random(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2, 3])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_it_is_the_adjoint_of_the_convolution(kernel_size, strides, padding):
    conv = convolution(kernel_size, strides, padding)
    images = random((2, *SIZE, 2), 1)
    features = conv(images)
    others = random(features.shape, 2)
    back = TiedConv2DTranspose(conv, SIZE, use_bias=False)(others)
    assert back.shape == images.shape
    # <conv(x), y> = <x, conv_transpose(y)>
    left, right = np.vdot(features, others), np.vdot(images, back)
    assert abs(left - right) <= 1e-5 * np.linalg.norm(features) * np.linalg.norm(others)


def test_the_layouts_of_both_kernels_are_the_same_tensor():
    conv = convolution(kernel_size=2, strides=2, padding="valid", size=(2, 2))
    tied = TiedConv2DTranspose(conv, (2, 2), use_bias=False)
    # One feature that is 1: the picture is that filter's kernel as it stands, neither flipped nor transposed.
    for number in range(3):
        feature = np.zeros((1, 1, 1, 3), "float32")
        feature[..., number] = 1.0
        np.testing.assert_array_equal(tied(feature)[0], conv.kernel.numpy()[..., number])
    transposed = keras.layers.Conv2DTranspose(2, 2, 2, use_bias=False)
    transposed.build((None, 1, 1, 3))
    assert transposed.kernel.shape == conv.kernel.shape
    transposed.kernel.assign(conv.kernel)
    features = random((2, 1, 1, 3), 3)
    np.testing.assert_array_equal(transposed(features), tied(features))


def test_the_kernel_is_one_variable_whose_gradient_is_the_sum_of_both_uses():
    conv = convolution(strides=2)
    tied = TiedConv2DTranspose(conv, SIZE)
    image = tf.constant(random((1, *SIZE, 2), 4))
    free = tf.Variable(conv.kernel.numpy())
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tied(conv(image)) ** 2)
    both = tape.gradient(loss, conv.kernel.value)
    with tf.GradientTape() as tape:
        features = tf.nn.conv2d(image, conv.kernel.value, 2, "SAME")
        loss = tf.reduce_sum(tf.nn.conv2d_transpose(features, free, image.shape, 2, "SAME") ** 2)
    first, second = tape.gradient(loss, [conv.kernel.value, free])
    expected = np.asarray(first + second)
    np.testing.assert_allclose(both, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_model_with_both_layers_counts_the_kernel_once():
    image = keras.Input((*SIZE, 2))
    conv = convolution()
    model = keras.Model(image, TiedConv2DTranspose(conv, SIZE, name="back")(conv(image)))
    assert [weight.path.split("/")[-1] for weight in model.weights] == ["kernel", "bias"]
    assert model.count_params() == 3 * 3 * 2 * 3 + 2


def test_a_keras_file_keeps_the_two_tied(tmp_path):
    image = keras.Input((*SIZE, 2))
    conv = convolution(strides=2)
    model = keras.Model(image, TiedConv2DTranspose(conv, SIZE, name="back")(conv(image)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("back").kernel is loaded.get_layer(conv.name).kernel
    images = random((2, *SIZE, 2), 5)
    np.testing.assert_array_equal(loaded(images), model(images))


def test_other_strides_than_the_convolutions_enlarge():
    features = random((1, 6, 4, 3), 6)
    back = TiedConv2DTranspose(convolution(), SIZE, strides=2)(features)
    assert back.shape == (1, *SIZE, 2)


def test_what_cannot_be_transposed_is_refused():
    with pytest.raises(ValueError, match="must be a built Conv2D"):
        TiedConv2DTranspose(keras.layers.Conv2D(3, 3), SIZE)
    with pytest.raises(ValueError, match="must be a built Conv2D"):
        TiedConv2DTranspose(keras.layers.Dense(3), SIZE)
    dilated = keras.layers.Conv2D(3, 3, dilation_rate=2)
    dilated.build((None, *SIZE, 2))
    with pytest.raises(ValueError, match="neither groups nor dilation"):
        TiedConv2DTranspose(dilated, SIZE)
    tied = TiedConv2DTranspose(convolution(strides=2), SIZE)
    with pytest.raises(ValueError, match=r"needs an input of \(6, 4\)"):
        tied(random((1, 5, 4, 3), 7))
    with pytest.raises(ValueError, match="the 3 channels"):
        tied(random((1, 6, 4, 2), 7))
