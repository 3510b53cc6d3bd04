"""A part as one flat Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from cae.export.parts import Part
from cae.model import build_autoencoder


def flatten(part: Part) -> keras.Model:
    """Make a copy of a part in which all layers are layers of one model.

    In a `.keras` file of models within a model, tied kernels would come back as two (see `TiedConv2DTranspose`). Both
    halves name layers alike, so in the whole autoencoder `encoder_` and `decoder_` stand before the names.

    Args:
        part: from `make_part`.
    """
    copy = build_autoencoder(part.autoencoder.plan)
    copy.model.set_weights(part.autoencoder.model.get_weights())
    if part.name != "autoencoder":
        model = copy.encoder if part.name == "encoder" else copy.decoder
        inputs, outputs = model.inputs, model.outputs
    else:
        for half in (copy.encoder, copy.decoder):
            for layer in half.layers:
                if not isinstance(layer, keras.layers.InputLayer):
                    layer.name = f"{half.name}_{layer.name}"
        inputs = copy.encoder.inputs
        # To call the decoder itself would make it one layer; this goes through its layers again.
        code = copy.encoder.outputs
        outputs = [copy.decoder.call(code if len(code) > 1 else code[0])]
    return keras.Model(_named(part.inputs, inputs), _named(part.outputs, outputs), name=part.name)


def _named(names: Sequence[str], tensors: Sequence[Any]) -> Any:
    return dict(zip(names, tensors, strict=True)) if len(tensors) > 1 else tensors[0]
