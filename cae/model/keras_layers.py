"""One Keras layer for each operation of a plan."""

from __future__ import annotations

import hashlib
import math
from functools import singledispatch

import keras

from cae import layers
from cae.kinds.convolutions import Convolution, TiedConvolution, TransposedConvolution
from cae.kinds.linear_path import NAME as LINEAR_PATH
from cae.kinds.operations import Activation, Dense, Dropout, LayerOperation, Operation
from cae.kinds.own_layer import seeded


def seed_for(seed: int, path: str) -> int:
    """A seed of its own for each layer, so that no layer's start depends on which others there are."""
    digest = hashlib.sha256(f"{seed}/{path}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1  # seed generators take 31 bits


@singledispatch
def make_layer(operation: Operation, path: str, seed: int, precision: str) -> keras.layers.Layer:
    """Make the layer that an operation stands for.

    Args:
        operation: an operation of a plan.
        path: `encoder/NAME` or `decoder/NAME`; with `seed`, it decides the initial weights.
        seed: the run's seed.
        precision: Keras dtype policy.
    """
    raise TypeError(f"No layer for {type(operation).__name__}.")


@make_layer.register
def _(operation: Convolution, path: str, seed: int, precision: str) -> keras.layers.Layer:
    initializer = _kernel_start(operation, path, seed)
    if operation.subpixel_factor > 1 and not operation.zero_start:
        initializer = layers.ICNRInitializer(operation.subpixel_factor, initializer)
    reflects = operation.padding == "reflect"
    return (layers.ReflectConv2D if reflects else keras.layers.Conv2D)(
        operation.output_shape[2],
        operation.kernel_size,
        **({} if reflects else {"strides": operation.strides, "padding": "same"}),
        use_bias=operation.use_bias,
        kernel_initializer=initializer,
        trainable=operation.trainable,
        name=operation.name,
        dtype=_precision_of(operation, precision),
    )


def _kernel_start(operation: Convolution | Dense, path: str, seed: int) -> keras.initializers.Initializer:
    if operation.zero_start:
        return keras.initializers.Zeros()
    return keras.initializers.GlorotUniform(seed=seed_for(seed, path))


def _precision_of(operation: Operation, precision: str) -> str:
    """The linear path is float32 throughout: it is cheap, and what it rounds off no network can bring back."""
    return "float32" if operation.name.startswith(LINEAR_PATH) else precision


@make_layer.register
def _(operation: TransposedConvolution, path: str, seed: int, precision: str) -> keras.layers.Layer:
    return layers.Conv2DTransposeToSize(
        operation.output_shape[2],
        operation.kernel_size,
        strides=operation.strides,
        output_size=operation.output_shape[:2],
        use_bias=operation.use_bias,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed_for(seed, path)),
        name=operation.name,
        dtype=precision,
    )


def make_tied_layer(operation: TiedConvolution, convolution: keras.layers.Conv2D, precision: str) -> keras.layers.Layer:
    """Make the layer that takes its kernel from a layer of the encoder."""
    return layers.TiedConv2DTranspose(
        convolution,
        output_size=operation.output_shape[:2],
        strides=operation.strides,
        use_bias=operation.use_bias,
        name=operation.name,
        dtype=precision,
    )


@make_layer.register
def _(operation: LayerOperation, path: str, seed: int, precision: str) -> keras.layers.Layer:
    with seeded(seed_for(seed, path)):
        return operation.make_layer(name=operation.name, dtype=_precision_of(operation, precision))


@make_layer.register
def _(operation: Activation, path: str, seed: int, precision: str) -> keras.layers.Layer:
    # The last activation is float32: reconstructions and losses need the range that 16 bits do not have.
    # The convolution before it stays in the compute type, where it is fast.
    is_output = operation.name.startswith("output")
    return make_activation(operation.function, operation.name, "float32" if is_output else precision)


def make_activation(function: str, name: str, precision: str) -> keras.layers.Layer:
    """Make the layer of an activation."""
    return keras.layers.Activation(function, name=name, dtype=precision)


@make_layer.register
def _(operation: Dropout, path: str, seed: int, precision: str) -> keras.layers.Layer:
    return keras.layers.Dropout(operation.rate, seed=seed_for(seed, path), name=operation.name, dtype=precision)


@make_layer.register
def _(operation: Dense, path: str, seed: int, precision: str) -> keras.layers.Layer:
    return keras.layers.Dense(
        math.prod(operation.output_shape),
        use_bias=operation.use_bias,
        kernel_initializer=_kernel_start(operation, path, seed),
        trainable=operation.trainable,
        name=operation.name,
        dtype=_precision_of(operation, precision),
    )
