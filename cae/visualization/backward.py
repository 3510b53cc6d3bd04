"""Methods of carrying a signal back through a network, which differ at activations."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import singledispatch
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from cae.kinds.activation import ACTIVATIONS
from cae.kinds.convolutions import Convolution, Sum, flat
from cae.kinds.downsampling import AveragePooling, IndexedPooling, MaxPooling
from cae.kinds.normalization import BatchNormalizing, GroupNormalizing, LayerNormalizing
from cae.kinds.operations import Activation, Dense, Dropout, LayerOperation, Operation, PartInput, Pool
from cae.layers.indices import IndexedUnpooling2D
from cae.layers.reflect_conv import borders
from cae.layers.switches import max_pool, unpool
from cae.layers.windows import crop
from cae.visualization.map_choice import Method

if TYPE_CHECKING:
    from cae.visualization.feature_layers import FeatureLayer


def rectify(signal: tf.Tensor, inputs: tf.Tensor, function: str, method: Method) -> tf.Tensor:
    """Carry a backward signal through an activation.

    `gradient` multiplies by the activation's slope at its inputs: for a relu, passes where the image passed.
    `deconvnet` looks at the signal's own sign instead and holds back negative values, whatever the image was: a relu
    again, on the way down. `guided` does both.

    For activations other than relu the slope is the derivative; by sign, smooth rectifiers (elu, selu, gelu, silu,
    softplus) count as relu, `leaky_relu` keeps 0.2 of negative values as it does forward, and `linear`, `tanh` and
    `sigmoid`, which rectify nothing, leave the signal as it is. With linear activations the methods are the same.

    Example:
        >>> signal, inputs = tf.constant([1.0, -1.0, 1.0, -1.0]), tf.constant([2.0, 2.0, -2.0, -2.0])
        >>> for method in ("deconvnet", "gradient", "guided"):
        ...     print(method, (rectify(signal, inputs, "relu", method).numpy() + 0.0).tolist())
        deconvnet [1.0, 0.0, 1.0, 0.0]
        gradient [1.0, -1.0, 0.0, 0.0]
        guided [1.0, 0.0, 0.0, 0.0]

    Args:
        signal: any shape.
        inputs: what the activation was given, the same shape.
        function: the activation's name in the plan.
        method: `deconvnet`, `gradient` or `guided`.

    Reference:
        Mahendran and Vedaldi 2016, "Salient deconvolutional networks", section 2.
    """
    if method != "gradient":
        slope = ACTIVATIONS[function].negative_slope
        signal = signal if slope == 1.0 else tf.where(signal > 0, signal, slope * signal)
    if method != "deconvnet":
        signal *= _slope(inputs, function)
    return signal


def _slope(inputs: tf.Tensor, function: str) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = keras.activations.get(function)(inputs)
    return tape.gradient(outputs, inputs)


@dataclass(frozen=True)
class Passage:
    """What the way down needs to know of the way up.

    Args:
        encoder: whose weights are used.
        inputs: for operations that look at it, what they were given on the way up, float32; for a residual block,
            what its activation was given.
        method: how activations are passed.
        at_image: what branches that begin at the image have carried down to it.
    """

    encoder: keras.Model
    inputs: Mapping[str, tf.Tensor]
    method: Method
    at_image: list[tf.Tensor] = field(default_factory=list)

    def weights_of(self, operation: Operation) -> keras.layers.Layer:
        """The operation's Keras layer."""
        return self.encoder.get_layer(operation.name)


def looks_at_inputs(operation: Operation) -> bool:
    """Whether the way back through an operation depends on what it was given."""
    is_passed_by_its_weights = isinstance(operation, BatchNormalizing | AveragePooling)
    return isinstance(operation, Activation | Sum | LayerOperation) and not is_passed_by_its_weights


@singledispatch
def pull_back(operation: Operation, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    """Carry a signal from an operation's output to its input: the operation's derivative, transposed.

    Only activations depend on the method. With `gradient` the whole way is the gradient of the feature with respect
    to the image; the deconvnet is the same way with other rectifiers. What each operation does:

    - Convolution, with or without strides: transposed convolution with the same kernel; what reaches mirrored borders
      is added to the pixels they show. Biases are left out: they shift features up and have no part in the way down,
      as in the paper.
    - Max pooling: unpooling with this image's switches, whether or not the model records them for its decoder.
    - Pooling by learned indices: each value times this image's indices; of soft ones, their own derivative is counted.
    - Average pooling: each value is spread evenly over the pixels of its window; padding gets nothing.
    - Activation: `rectify`.
    - Batch normalisation: at inference each channel is scaled by a constant; the signal is scaled by the same, and
      the offset is left out like a bias.
    - Layer and group normalisation: mean and variance come from the image, so their part of the derivative at this
      image is counted. Group normalisation thereby spreads a faint signal over the whole image.
    - Divisive normalisation, and layers and models of your own: their derivative at this image.
    - Residual block: activation, then both ways, added. A linear path leads straight to the image, where it is added.
    - Dense layer: the transposed matrix.
    - Dropout does nothing at inference.

    Args:
        operation: an operation of an encoder's plan.
        signal: float32, shape (batch, height, width, channels) of the operation's output.
        passage: weights, and what was seen on the way up.

    Returns:
        The same for the operation's input.

    Reference:
        Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks", section 2.1.
    """
    raise TypeError(f"No way back through {type(operation).__name__}.")


@pull_back.register
def _(operation: Convolution, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    kernel = tf.cast(passage.weights_of(operation).kernel, tf.float32)
    height, width, channels = operation.input_shape
    if operation.padding == "same":
        shape = (tf.shape(signal)[0], height, width, channels)
        return tf.nn.conv2d_transpose(signal, kernel, shape, operation.strides, padding="SAME")
    around = operation.kernel_size - 1
    shape = (tf.shape(signal)[0], height + around, width + around, channels)
    padded = tf.nn.conv2d_transpose(signal, kernel, shape, 1, padding="VALID")
    return tf.raw_ops.MirrorPadGrad(input=padded, paddings=borders(operation.kernel_size), mode="REFLECT")


@pull_back.register
def _(operation: MaxPooling, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    size = operation.pool_size
    _, switches = max_pool(passage.inputs[operation.name], size)
    return unpool(signal, switches, size, operation.input_shape[:2])


@pull_back.register
def _(operation: IndexedPooling, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    if operation.indices == "soft":
        return pull_back.dispatch(LayerOperation)(operation, signal, passage)
    _, indices = passage.weights_of(operation).find(passage.inputs[operation.name])
    return IndexedUnpooling2D(operation.pool_size)((signal, indices))


@pull_back.register
def _(operation: AveragePooling, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    size, shape = operation.pool_size, operation.input_shape[:2]
    spread = tf.repeat(tf.repeat(signal / _window_areas(operation), size, axis=1), size, axis=2)
    return crop(spread, shape)


@pull_back.register
def _(operation: Activation, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    if operation.function == "linear":
        return signal
    return rectify(signal, passage.inputs[operation.name], operation.function, passage.method)


@pull_back.register
def _(operation: BatchNormalizing, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    layer = passage.weights_of(operation)
    scale = tf.cast(layer.gamma, tf.float32) * tf.math.rsqrt(tf.cast(layer.moving_variance, tf.float32) + layer.epsilon)
    return signal * scale


@pull_back.register
def _(operation: LayerNormalizing, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    layer = passage.weights_of(operation)
    signal *= tf.cast(layer.gamma, tf.float32)
    return _pull_back_standardizing(signal, passage.inputs[operation.name], layer.epsilon, axes=[3])


@pull_back.register
def _(operation: GroupNormalizing, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    layer = passage.weights_of(operation)
    signal *= tf.cast(layer.gamma, tf.float32)
    height, width, channels = operation.input_shape
    grouped = (-1, height, width, operation.groups, channels // operation.groups)
    inputs = tf.reshape(passage.inputs[operation.name], grouped)
    signal = _pull_back_standardizing(tf.reshape(signal, grouped), inputs, layer.epsilon, axes=[1, 2, 4])
    return tf.reshape(signal, (-1, height, width, channels))


@pull_back.register
def _(operation: Sum, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    signal = rectify(signal, passage.inputs[operation.name], operation.function, passage.method)
    return tf.add_n([_pull_back_along(branch, signal, passage) for branch in operation.branches])


def _pull_back_along(operations: Sequence[Operation], signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    for operation in reversed(operations):
        signal = pull_back(operation, signal, passage)
    return signal


@pull_back.register
def _(operation: PartInput, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    passage.at_image.append(signal)
    return tf.zeros((tf.shape(signal)[0], *operation.input_shape))


@pull_back.register
def _(operation: LayerOperation, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    inputs = passage.inputs[operation.name]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = tf.nest.flatten(passage.weights_of(operation)(inputs))[0]  # a pooling's indices are second
    return tape.gradient(
        outputs, inputs, output_gradients=tf.cast(tf.reshape(signal, tf.shape(outputs)), outputs.dtype)
    )


@pull_back.register
def _(operation: Dense, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    kernel = tf.cast(passage.weights_of(operation).kernel, tf.float32)  # [height * width * channels, units]
    units = tf.reshape(signal, (-1, kernel.shape[1]))
    return tf.reshape(tf.matmul(units, kernel, transpose_b=True), (-1, *operation.input_shape))


@pull_back.register
def _(operation: Dropout, signal: tf.Tensor, passage: Passage) -> tf.Tensor:
    return signal


def _window_areas(operation: Pool) -> np.ndarray:
    """How many pixels each window of an average pooling has, padding not counted: (rows of windows, columns, 1)."""
    sides: list[np.ndarray] = []
    for length, windows in zip(operation.input_shape[:2], operation.output_shape[:2], strict=True):
        edges = np.arange(windows + 1) * operation.pool_size - (windows * operation.pool_size - length) // 2
        sides.append(np.diff(np.clip(edges, 0, length)).astype(np.float32))
    return sides[0][:, None, None] * sides[1][None, :, None]


def _pull_back_standardizing(signal: tf.Tensor, inputs: tf.Tensor, epsilon: float, axes: list[int]) -> tf.Tensor:
    """Back through (x - mean) / sqrt(variance + epsilon), where both come from x itself along the axes."""
    mean, variance = tf.nn.moments(inputs, axes, keepdims=True)
    scale = tf.math.rsqrt(variance + epsilon)
    standard = (inputs - mean) * scale
    along = tf.reduce_mean(signal * standard, axes, keepdims=True)
    return scale * (signal - tf.reduce_mean(signal, axes, keepdims=True) - standard * along)


class Projector:
    """Projects single values of one layer down through the encoder.

    Of the layer's values all but one are set to zero; that one is carried down by `pull_back`, operation by
    operation, with switches and gates of its own image. The model is only read.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.model import build_autoencoder
        >>> from cae.plan import make_plan
        >>> from cae.visualization.feature_layers import find_feature_layers
        >>> autoencoder = build_autoencoder(make_plan(ModelSection(), (12, 12, 1)))
        >>> projector = Projector(autoencoder.encoder, find_feature_layers(autoencoder.plan)[0], "deconvnet")
        >>> images = np.random.default_rng(0).random((2, 12, 12, 1), np.float32)
        >>> projector.project(images, maps=[3, 4], positions=[0, 50], values=[1.0, 0.5]).shape
        (2, 12, 12, 1)

    Args:
        encoder: a built encoder.
        layer: of its plan.
        method: `deconvnet`, `gradient` or `guided`.

    Reference:
        Zeiler and Fergus 2014, section 2.1; Springenberg et al. 2015, "Striving for Simplicity", section 3.4.
    """

    def __init__(self, encoder: keras.Model, layer: FeatureLayer, method: Method) -> None:
        self._encoder = encoder
        self._layer = layer
        self._method = method
        seen = [operation.name for operation in flat(layer.path) if looks_at_inputs(operation)]
        self._way_up = keras.Model(encoder.input, {name: self._input_of(encoder.get_layer(name)) for name in seen})
        # TensorFlow takes a method of several projectors for one function that is traced again and again, and warns.
        own = functools.partial(self._project)
        self._compiled = tf.function(own, autograph=False, reduce_retracing=True)

    def _input_of(self, layer: keras.layers.Layer) -> keras.KerasTensor:
        # A whole model, which comes first, has an input of its own.
        return self._encoder.input if isinstance(layer, keras.Model) else layer.input

    def project(self, images: np.ndarray, maps: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Project one value for each image.

        Args:
            images: pixels in [0, 1], shape (batch, height, width, channels).
            maps: number of the map for each image, shape (batch,).
            positions: where in the map, row * width + column, shape (batch,).
            values: what is carried down, as a rule the response itself, shape (batch,).

        Returns:
            float32, the images' shape; signed.
        """
        projections = self._compiled(
            tf.constant(images, tf.float32),
            tf.constant(maps, tf.int32),
            tf.constant(positions, tf.int32),
            tf.constant(values, tf.float32),
        )
        return projections.numpy()

    def _project(self, images: tf.Tensor, maps: tf.Tensor, positions: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
        inputs = {name: tf.cast(x, tf.float32) for name, x in self._way_up(images, training=False).items()}
        passage = Passage(self._encoder, inputs, self._method)
        height, width, channels = self._layer.shape
        where = tf.one_hot(positions * channels + maps, height * width * channels)
        signal = tf.reshape(where * values[:, None], (-1, height, width, channels))
        return tf.add_n([_pull_back_along(self._layer.path, signal, passage), *passage.at_image])
