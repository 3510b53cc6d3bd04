"""From a plan to a Keras model: one Keras layer for each operation, nothing decided here."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import tensorflow as tf

from cae import layers
from cae.kinds.convolutions import Convolution, Sum, TiedConvolution, TransposedConvolution
from cae.kinds.linear_path import NAME as LINEAR_PATH
from cae.kinds.operations import Activation, Dense, Dropout, LayerOperation, Operation, PartInput, Pool, Upsample
from cae.kinds.upsampling.own_layer import seeded
from cae.model.lowered import StepContext, compute_steps, current_device
from cae.plan.lowering import Step, lower
from cae.plan.plan import Plan


@dataclass(frozen=True)
class Autoencoder:
    """A built autoencoder.

    Args:
        plan: what was built.
        encoder: images to the latent, followed by the switches of each pooling that records them.
        decoder: latent and switches to reconstructions.
        model: images to reconstructions, made of the two; its weights are the autoencoder's. With tied weights a
            `.keras` file of it holds two equal kernels that are no longer one (see `TiedConv2DTranspose`): build the
            model from its plan and load weights instead.
        compiled: what others compiled of it and want to find again; holds whatever its weights are.

    The Keras models compute the plan's operations one after the other, wherever they run: they are what is exported and
    explained. `encode` and `decode` are the same functions of the same weights in the forms that are fast on this
    machine: they are what trains, measures and reconstructs.
    """

    plan: Plan
    encoder: keras.Model
    decoder: keras.Model
    model: keras.Model
    compiled: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def weight_names(self) -> list[str]:
        """A name for each of `model.weights`, made of those of the plan: `encoder/stage_1_conv_1/kernel`."""
        names: dict[int, str] = {}
        for part, model in (("encoder", self.encoder), ("decoder", self.decoder)):
            for layer in model.layers:
                is_own = isinstance(layer, keras.Model)  # layers in it may be called alike, or otherwise in time
                for number, weight in enumerate(layer.weights):  # a tied kernel is the encoder's
                    inside = weight.path.partition(f"{layer.name}/")[2] or weight.name
                    inside = f"{number:04}_{weight.name}" if is_own else inside
                    names.setdefault(id(weight), f"{part}/{layer.name}/{inside}")
        return [names[id(weight)] for weight in self.model.weights]

    @tf.autograph.experimental.do_not_convert
    def encode(self, images: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Latent, float32 or the compute type, and the list of switches (empty without max unpooling)."""
        context = StepContext(self.encoder, training, images)
        latent = compute_steps(self._lower(self.plan.encoder, training), images, context)
        return latent, [context.switches[pool.name] for pool in self.plan.switches]

    def as_trained(self, switches: list[Any]) -> list[Any]:
        """The switches that the decoder is trained and measured with.

        They are the image's own or, with `train_switches: shuffled`, those of the image before it in the batch.
        """
        return [
            tf.roll(one, 1, axis=0) if pool.switches and pool.switches.shuffled else one
            for pool, one in zip(self.plan.switches, switches, strict=True)
        ]

    @tf.autograph.experimental.do_not_convert
    def decode(self, latent: Any, switches: list[Any], training: bool = False) -> Any:
        """Reconstructions, float32, (batch, height, width, channels)."""
        names = (pool.name for pool in self.plan.switches)
        context = StepContext(self.decoder, training, latent, dict(zip(names, switches, strict=True)))
        return compute_steps(self._lower(self.plan.decoder, training), latent, context)

    def _lower(self, operations: Iterable[Operation], training: bool) -> list[Step]:
        return lower(operations, current_device(), self.decoder.inputs[0].dtype, training=training)


def build_autoencoder(plan: Plan, *, seed: int = 0, precision: str = "float32") -> Autoencoder:
    """Build the Keras model that a plan describes.

    Each layer starts from a seed made of `seed` and the layer's own path. The same seed therefore gives the same
    encoder whatever the decoder is.

    Args:
        plan: from `cae.plan.make_plan`.
        seed: seed of the initial weights and of dropout.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`; reconstructions are float32 in each.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> autoencoder = build_autoencoder(make_plan(ModelSection(), (28, 28, 1)))
        >>> autoencoder.model.output_shape
        (None, 28, 28, 1)
    """
    encoder, switches = _build_encoder(plan, seed, precision)
    decoder = _build_decoder(plan, seed, precision, encoder, switches)
    images = keras.Input(plan.image_shape, name="images", dtype="float32")
    model = keras.Model(images, decoder(encoder(images)), name="autoencoder")
    return Autoencoder(plan, encoder, decoder, model)


def _build_encoder(plan: Plan, seed: int, precision: str) -> tuple[keras.Model, dict[str, Any]]:
    images = keras.Input(plan.image_shape, name="images", dtype="float32")
    part = _Part("encoder", images, seed, precision)
    x = part.apply(plan.encoder, images)
    outputs = [x, *part.switches.values()] if part.switches else x
    return keras.Model(images, outputs, name="encoder"), part.switches


def _build_decoder(
    plan: Plan, seed: int, precision: str, encoder: keras.Model, recorded: dict[str, Any]
) -> keras.Model:
    shape = plan.latent_shape[2:] if plan.code_is_vector else plan.latent_shape
    latent = keras.Input(shape, name="latent", dtype=keras.DTypePolicy(precision).compute_dtype)
    switches = {
        name: keras.Input(switch.shape[1:], name=f"{name}_switches", dtype=switch.dtype)
        for name, switch in recorded.items()
    }
    x = _Part("decoder", latent, seed, precision, switches, encoder).apply(plan.decoder, latent)
    inputs = [latent, *switches.values()] if switches else latent
    return keras.Model(inputs, x, name="decoder")


@dataclass(frozen=True)
class _Part:
    """The encoder or the decoder while it is built.

    Args:
        name: `encoder` or `decoder`.
        inputs: what the part is given, images or codes.
        seed: the run's.
        precision: Keras dtype policy.
        switches: of each pooling that records them, by its name; the encoder puts them down here.
        encoder: where tied operations find their kernels.
    """

    name: str
    inputs: Any
    seed: int
    precision: str
    switches: dict[str, Any] = field(default_factory=dict)
    encoder: keras.Model | None = None

    def apply(self, operations: Iterable[Operation], x: Any) -> Any:
        """Apply the operations' layers one after the other; shapes follow the plan."""
        for operation in operations:
            x = self._apply_one(operation, x)
        return x

    def _apply_one(self, operation: Operation, x: Any) -> Any:
        if isinstance(operation, PartInput):
            return self.inputs
        if isinstance(operation, Sum):
            branches = [self.apply(branch, x) for branch in operation.branches]  # each [N, h, w, c]
            is_output = operation.name.startswith("output")
            precision = "float32" if is_output else self.precision
            x = keras.layers.Add(name=f"{operation.name}_add", dtype=precision)(branches)
            return make_activation(operation.function, operation.name, precision)(x)
        if isinstance(operation, TiedConvolution):
            assert self.encoder is not None
            return make_tied_layer(operation, self.encoder.get_layer(operation.tied_to), self.precision)(x)
        if isinstance(operation, Dense):
            return self._apply_dense(operation, x)
        if isinstance(operation, Upsample) and operation.switches_from is not None:
            x = [x, self.switches[operation.switches_from]]
        x = self._make_layer(operation)(x)
        if isinstance(operation, Pool) and operation.records_switches:
            x, self.switches[operation.name] = x
        return x

    def _apply_dense(self, operation: Dense, x: Any) -> Any:
        layer = self._make_layer(operation)
        if len(x.shape) > 2:
            x = keras.layers.Flatten(name=f"{operation.name}_flatten", dtype=layer.dtype_policy)(x)
        x = layer(x)
        if operation.gives_vector:
            return x
        name = f"{operation.name}_reshape"
        return keras.layers.Reshape(operation.output_shape, name=name, dtype=layer.dtype_policy)(x)

    def _make_layer(self, operation: Operation) -> keras.layers.Layer:
        return make_layer(operation, f"{self.name}/{operation.name}", self.seed, self.precision)


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
    initializer = keras.initializers.GlorotUniform(seed=seed_for(seed, path))
    if operation.start != "glorot":
        interpolation = "bilinear" if operation.start == "bilinear" else "nearest"
        initializer = layers.ResizeInitializer(operation.strides, interpolation, initializer)
    return layers.Conv2DTransposeToSize(
        operation.output_shape[2],
        operation.kernel_size,
        strides=operation.strides,
        output_size=operation.output_shape[:2],
        use_bias=operation.use_bias,
        kernel_initializer=initializer,
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
