"""Upsampling from stock layers, and the layers that tutorials write where Keras has none."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class ArgmaxPooling(keras.layers.Layer):
    """2x2 max pooling with flat indices of the maxima in the whole batch."""

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return pooled values and int64 indices."""
        return tf.nn.max_pool_with_argmax(inputs, 2, 2, "SAME", include_batch_in_index=True)


class ScatterUnpooling(keras.layers.Layer):
    """Scatters values to the flat indices of `ArgmaxPooling`."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image that has each value at its index."""
        values, argmax = inputs
        batch, (height, width, channels) = tf.shape(values)[0], values.shape[1:]
        size = tf.reshape(batch * 4 * height * width * channels, (1,))
        flat = tf.scatter_nd(tf.reshape(argmax, (-1, 1)), tf.reshape(values, (-1,)), tf.cast(size, argmax.dtype))
        return tf.reshape(flat, (batch, 2 * height, 2 * width, channels))


class ZeroUnpooling(keras.layers.Layer):
    """Puts values to the top-left of 2x2 windows of zeros."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the image."""
        batch, (height, width, channels) = tf.shape(inputs)[0], inputs.shape[1:]
        pairs = tf.stack([inputs, tf.zeros_like(inputs)], 3)  # [N, H, W, 2, C]
        windows = tf.stack([pairs, tf.zeros_like(pairs)], 2)  # [N, H, 2, W, 2, C]
        return tf.reshape(windows, (batch, 2 * height, 2 * width, channels))


class DepthToSpace(keras.layers.Layer):
    """TensorFlow's depth to space by a factor of 2."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the image."""
        return tf.nn.depth_to_space(inputs, 2)


class SumOfChannels(keras.layers.Layer):
    """Sums each four consecutive channels."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return a quarter of the channels."""
        height, width, channels = inputs.shape[1:]
        return tf.reduce_sum(tf.reshape(inputs, (-1, height, width, channels // 4, 4)), -1)


class Reassembly(keras.layers.Layer):
    """Weighted means of 5x5 neighbourhoods, four for each pixel, laid out as squares."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image of maps and of the logarithms of their weights."""
        maps, weights = inputs
        height, width, channels = maps.shape[1:]
        patches = tf.image.extract_patches(maps, [1, 5, 5, 1], [1] * 4, [1] * 4, "SAME")
        neighbours = tf.reshape(patches, (-1, height, width, 25, channels))
        pixels = tf.matmul(tf.nn.softmax(tf.reshape(weights, (-1, height, width, 4, 25))), neighbours)
        return tf.nn.depth_to_space(tf.reshape(pixels, (-1, height, width, 4 * channels)), 2)


class Sampling(keras.layers.Layer):
    """Pixels read between others, at predicted places."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image of maps and of how far beside its place each pixel is read: rows, then columns."""
        maps, offsets = inputs
        height, width = maps.shape[1:3]
        aside = tf.cast(tf.reshape(offsets, (-1, height, width, 2, 2, 2)), "float32") / 4
        aside = tf.reshape(tf.transpose(aside, (0, 1, 4, 2, 5, 3)), (-1, 2 * height, 2 * width, 2))
        rows, columns = ((tf.range(2 * side, dtype="float32") + 0.5) / 2 - 0.5 for side in (height, width))
        places = tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1) + aside
        low = tf.floor(places)
        image = 0.0
        for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
            pixel = tf.clip_by_value(tf.cast(low, "int32") + corner, 0, [height - 1, width - 1])
            weight = tf.reduce_prod(1 - tf.abs(places - low - tf.cast(corner, "float32")), axis=-1, keepdims=True)
            image += tf.cast(weight, maps.dtype) * tf.gather_nd(maps, pixel, batch_dims=1)
        return image


class Bands(keras.layers.Layer):
    """Haar bands of channels to pixels."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the image."""
        mean, across, down, both = tf.split(inputs / 2, 4, axis=-1)
        above = [mean + across + down + both, mean - across + down - both]
        below = [mean + across - down - both, mean - across - down + both]
        return tf.nn.depth_to_space(tf.concat(above + below, -1), 2)


def upsample_and_convolve(x: Any, kind: str, filters: int, switches: Any) -> Any:
    """One decoder stage: twice the height and width, a convolution and ReLU.

    Args:
        x: Keras tensor (batch, height, width, channels).
        kind: a key of `benchmarks.models.KINDS`.
        filters: channels to give.
        switches: indices of the stage's pooling, for `max_unpool`.
    """
    layers = keras.layers
    if kind.startswith("conv_transpose"):
        size = int(kind[-1])
        return layers.Conv2DTranspose(filters, size, strides=2, padding="same", activation="relu")(x)
    if kind == "subpixel":
        return DepthToSpace()(layers.Conv2D(4 * filters, 3, padding="same", activation="relu")(x))
    if kind == "haar":
        return layers.ReLU()(Bands()(layers.Conv2D(4 * filters, 3, padding="same")(x)))
    if kind == "max_unpool":
        x = ScatterUnpooling()([x, switches])
    elif kind == "fixed_unpool":
        x = ZeroUnpooling()(x)
    elif kind == "bilinear_additive":
        x = SumOfChannels()(layers.UpSampling2D(interpolation="bilinear")(x))
    elif kind == "carafe":
        x = Reassembly()([x, layers.Conv2D(100, 3, padding="same")(layers.Conv2D(64, 1)(x))])
    elif kind == "dysample":
        x = Sampling()([x, layers.Conv2D(8, 1)(x)])
    else:
        x = layers.UpSampling2D(interpolation=kind.removeprefix("resize_"))(x)
    return layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
