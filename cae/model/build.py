"""From a plan to a Keras model: one layer for each operation, nothing decided here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from cae.kinds.convolutions import Residual, TiedConvolution
from cae.kinds.operations import Dense, Operation, Pool, Upsample
from cae.model.keras_layers import make_activation, make_layer, make_tied_layer
from cae.model.lowered import Run, compute_steps, current_device
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

    The Keras models compute the plan's operations one after the other, wherever they run: they are what is exported and
    explained. `encode` and `decode` are the same functions of the same weights in the forms that are fast on this
    machine: they are what trains, measures and reconstructs.
    """

    plan: Plan
    encoder: keras.Model
    decoder: keras.Model
    model: keras.Model

    @property
    def weight_names(self) -> list[str]:
        """A name for each of `model.weights`, made of those of the plan: `encoder/stage_1_conv_1/kernel`."""
        names: dict[int, str] = {}
        for part, model in (("encoder", self.encoder), ("decoder", self.decoder)):
            for layer in model.layers:
                for weight in layer.weights:  # a tied kernel is the encoder's
                    names.setdefault(id(weight), f"{part}/{layer.name}/{weight.name}")
        return [names[id(weight)] for weight in self.model.weights]

    @tf.autograph.experimental.do_not_convert
    def encode(self, images: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """Latent, float32 or the compute type, and the list of switches (empty without max unpooling)."""
        run = Run(self.encoder, training)
        latent = compute_steps(self._lower(self.plan.encoder, training), images, run)
        return latent, [run.switches[pool.name] for pool in self.plan.switches]

    @tf.autograph.experimental.do_not_convert
    def decode(self, latent: Any, switches: list[Any], training: bool = False) -> Any:
        """Reconstructions, float32, (batch, height, width, channels)."""
        names = (pool.name for pool in self.plan.switches)
        run = Run(self.decoder, training, dict(zip(names, switches, strict=True)))
        return compute_steps(self._lower(self.plan.decoder, training), latent, run)

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
    x, switches = images, {}
    for operation in plan.encoder:
        x = _apply(operation, x, "encoder", seed, precision)
        if isinstance(operation, Pool) and operation.records_switches:
            x, switches[operation.name] = x
    outputs = [x, *switches.values()] if switches else x
    return keras.Model(images, outputs, name="encoder"), switches


def _build_decoder(
    plan: Plan, seed: int, precision: str, encoder: keras.Model, recorded: dict[str, Any]
) -> keras.Model:
    last = plan.encoder[-1]
    latent_shape = (last.output_shape[2],) if isinstance(last, Dense) else last.output_shape
    latent = keras.Input(latent_shape, name="latent", dtype=keras.DTypePolicy(precision).compute_dtype)
    switches = {
        name: keras.Input(switch.shape[1:], name=f"{name}_switches", dtype="uint8") for name, switch in recorded.items()
    }
    x = latent
    for operation in plan.decoder:
        if isinstance(operation, Upsample) and operation.switches_from is not None:
            x = [x, switches[operation.switches_from]]
        x = _apply(operation, x, "decoder", seed, precision, encoder)
    inputs = [latent, *switches.values()] if switches else latent
    return keras.Model(inputs, x, name="decoder")


def _apply(
    operation: Operation, x: Any, path: str, seed: int, precision: str, encoder: keras.Model | None = None
) -> Any:
    """Apply the operation's layer; shapes follow the plan. A tied one takes its kernel from the encoder."""
    if isinstance(operation, Residual):
        skip = x  # [N, h, w, c]
        for inside in operation.operations:
            x = _apply(inside, x, path, seed, precision, encoder)
        x = keras.layers.Add(name=f"{operation.name}_add", dtype=precision)([skip, x])
        return make_activation(operation.function, operation.name, precision)(x)
    if isinstance(operation, TiedConvolution):
        assert encoder is not None
        return make_tied_layer(operation, encoder.get_layer(operation.tied_to), precision)(x)
    if isinstance(operation, Dense) and path == "encoder":
        x = keras.layers.Flatten(name=f"{operation.name}_flatten", dtype=precision)(x)
    x = make_layer(operation, f"{path}/{operation.name}", seed, precision)(x)
    if isinstance(operation, Dense) and path == "decoder":
        x = keras.layers.Reshape(operation.output_shape, name=f"{operation.name}_reshape", dtype=precision)(x)
    return x
