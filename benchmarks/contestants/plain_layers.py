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


class SharedArgmaxPooling(keras.layers.Layer):
    """2x2 max pooling with one flat index a place, of the largest sum of channels."""

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return pooled values and int64 indices."""
        sums = tf.reduce_sum(inputs, axis=-1, keepdims=True)
        _, argmax = tf.nn.max_pool_with_argmax(sums, 2, 2, "SAME", include_batch_in_index=True)
        return tf.nn.max_pool2d(inputs, 2, 2, "SAME"), argmax


class SharedScatterUnpooling(keras.layers.Layer):
    """Scatters all channels of a place to its index."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the image that has the values at their index."""
        values, argmax = inputs
        batch, (height, width, channels) = tf.shape(values)[0], values.shape[1:]
        size = tf.cast([batch * 4 * height * width, channels], argmax.dtype)
        places = tf.scatter_nd(tf.reshape(argmax, (-1, 1)), tf.reshape(values, (-1, channels)), size)
        return tf.reshape(places, (batch, 2 * height, 2 * width, channels))


class Share(keras.layers.Layer):
    """Each value times a weight of its channel, in its whole window."""

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        self.share = self.add_weight(shape=(input_shape[-1],), initializer="zeros")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the image."""
        return keras.layers.UpSampling2D(dtype=self.dtype_policy)(inputs * self.share)


class IndexPooling(keras.layers.Layer):
    """Sums of 2x2 windows, weighted by the softmax of a depthwise convolution with strides."""

    def build(self, input_shape: Any) -> None:
        """Make the convolution."""
        self.predict = keras.layers.DepthwiseConv2D(2, 2, depth_multiplier=4, use_bias=False, dtype=self.dtype_policy)
        self.predict.build(input_shape)

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return pooled values and the map of indices."""
        height, width, channels = inputs.shape[1:]
        scores = tf.reshape(self.predict(inputs), (-1, height // 2, width // 2, channels, 4))
        by_cell = tf.transpose(tf.nn.softmax(scores), (0, 1, 2, 4, 3))
        indices = tf.nn.depth_to_space(tf.reshape(by_cell, (-1, height // 2, width // 2, 4 * channels)), 2)
        return 4 * tf.nn.avg_pool2d(indices * inputs, 2, 2, "VALID"), indices


class Blur(keras.layers.Layer):
    """The filter (1, 2, 1) / 4 along either side; borders are repeated."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Return the filtered image."""
        line = tf.constant([0.25, 0.5, 0.25], inputs.dtype)
        kernel = tf.repeat((line[:, None] * line)[:, :, None, None], inputs.shape[3], axis=2)
        padded = tf.pad(inputs, [(0, 0), (1, 1), (1, 1), (0, 0)], "SYMMETRIC")
        return tf.nn.depthwise_conv2d(padded, kernel, [1] * 4, "VALID")


POOLINGS: dict[str, type[keras.layers.Layer]] = {
    "max_unpool": ArgmaxPooling,
    "max_unpool_repeat": ArgmaxPooling,
    "max_unpool_per_place": SharedArgmaxPooling,
    "learned_indices": IndexPooling,
}
"""Kinds whose poolings say something to the decoder."""


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


def upsample_and_convolve(x: Any, kind: str, filters: int, switches: Any, activation: str = "relu") -> Any:
    """One decoder stage: twice the height and width, a convolution and its activation.

    Args:
        x: Keras tensor (batch, height, width, channels).
        kind: a key of `benchmarks.models.KINDS`.
        filters: channels to give.
        switches: what the stage's pooling recorded, for kinds of `POOLINGS`.
        activation: Keras' name.
    """
    layers = keras.layers
    if kind == "conv_transpose_3_blur":
        return layers.Activation(activation)(Blur()(layers.Conv2DTranspose(filters, 3, strides=2, padding="same")(x)))
    if kind.startswith("conv_transpose"):
        size = int(kind[-1])
        return layers.Conv2DTranspose(filters, size, strides=2, padding="same", activation=activation)(x)
    if kind == "subpixel":
        return DepthToSpace()(layers.Conv2D(4 * filters, 3, padding="same", activation=activation)(x))
    if kind == "haar":
        return layers.Activation(activation)(Bands()(layers.Conv2D(4 * filters, 3, padding="same")(x)))
    if kind == "max_unpool":
        x = ScatterUnpooling()([x, switches])
    elif kind == "max_unpool_per_place":
        x = SharedScatterUnpooling()([x, switches])
    elif kind == "max_unpool_repeat":
        x = layers.Add()([ScatterUnpooling()([x, switches]), Share()(x)])
    elif kind == "learned_indices":
        x = layers.Multiply()([layers.UpSampling2D()(x), switches])
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
    return layers.Conv2D(filters, 3, padding="same", activation=activation)(x)
