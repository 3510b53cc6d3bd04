"""The parts of an autoencoder that can be exported, with names for what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from cae.model import Autoencoder

PartName = Literal["autoencoder", "encoder", "decoder"]


@dataclass(frozen=True)
class Part:
    """A model to export.

    Args:
        name: `autoencoder`, `encoder` or `decoder`.
        autoencoder: what it is a part of, in float32.
        model: the part itself.
        inputs: names of its inputs, in the model's order.
        outputs: names of its outputs, in the model's order.
    """

    name: str
    autoencoder: Autoencoder
    model: keras.Model
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def call(self, inputs: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Outputs by name, as in inference."""
        outputs = self.model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        return dict(zip(self.outputs, outputs if isinstance(outputs, list | tuple) else [outputs], strict=True))

    def compute(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Outputs by name, on the CPU, where the other runtimes are asked too: a GPU may round more coarsely."""
        with tf.device("/CPU:0"):
            outputs = self.call([tf.constant(inputs[name]) for name in self.inputs])
        return {name: output.numpy() for name, output in outputs.items()}

    def describe_inputs(self) -> dict[str, dict[str, Any]]:
        """Shape and type of each input; the first side is the batch, of any size."""
        return _describe(self.inputs, self.model.inputs)

    def describe_outputs(self) -> dict[str, dict[str, Any]]:
        """Shape and type of each output."""
        return _describe(self.outputs, self.model.outputs)


def make_part(autoencoder: Autoencoder, name: PartName) -> Part:
    """Name the inputs and outputs of a part.

    The code is `latent` and, for each pooling that records them, `POOLING_switches` (uint8). Images are float32 in
    [0, 1], (batch, height, width, channels).

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.model import build_autoencoder
        >>> from cae.plan import make_plan
        >>> section = ModelSection.model_validate({"decoder": {"upsampling": "max_unpool"}})
        >>> make_part(build_autoencoder(make_plan(section, (28, 28, 1))), "encoder").outputs
        ('latent', 'stage_1_pool_switches', 'stage_2_pool_switches')

    Args:
        autoencoder: built with `precision="float32"`.
        name: which part.
    """
    images, reconstructions = ("images",), ("reconstructions",)
    # What the encoder gives is what the decoder takes, in the same order.
    code = tuple(tensor.name for tensor in autoencoder.decoder.inputs)
    if name == "encoder":
        return Part(name, autoencoder, autoencoder.encoder, images, code)
    if name == "decoder":
        return Part(name, autoencoder, autoencoder.decoder, code, reconstructions)
    return Part(name, autoencoder, autoencoder.model, images, reconstructions)


def _describe(names: Sequence[str], tensors: Sequence[Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"shape": list(tensor.shape), "dtype": keras.backend.standardize_dtype(tensor.dtype)}
        for name, tensor in zip(names, tensors, strict=True)
    }
