"""The public Keras example's autoencoder, trained with `fit` as there: `python -m ... CONFIG EPOCHS [KEY=VALUE ...]`.

The configuration, which must be `benchmarks/fashion_mnist_keras_example.yaml`, says which images; its model is written
out here once more with stock layers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np

from cae.config import load_config
from cae.data.load import load_splits
from cae.plan import make_plan


def build_autoencoder(image_shape: tuple[int, int, int]) -> keras.Model:
    """Build the example's model.

    Source: keras.io/examples/vision/autoencoder (Santiago L. Valdarrama, 2021).
    """
    layers = keras.layers
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(inputs)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2D(32, (3, 3), activation="relu", padding="same")(x)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
    x = layers.Conv2DTranspose(32, (3, 3), strides=2, activation="relu", padding="same")(x)
    x = layers.Conv2D(image_shape[2], (3, 3), activation="sigmoid", padding="same")(x)
    return keras.Model(inputs, x)


class EpochLines(keras.callbacks.Callback):
    """Says when an epoch is done, its validation included."""

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        print(f"\nepoch {epoch + 1}: {logs}", flush=True)


def main(config: str, epochs: str, *overrides: str) -> None:
    """Train."""
    loaded = load_config(Path(config), overrides)
    splits = load_splits(loaded.data)
    train, validation = (
        images.read(np.arange(len(images))).astype(np.float32) / 255.0 for images in (splits.train, splits.validation)
    )
    model = build_autoencoder(splits.image_shape)
    wanted = make_plan(loaded.model, splits.image_shape).parameters
    if model.count_params() != wanted:
        raise SystemExit(f"{config} has {wanted} parameters, not {model.count_params()}")
    model.compile(optimizer="adam", loss="binary_crossentropy")
    model.fit(
        x=train,
        y=train,
        epochs=int(epochs),
        batch_size=loaded.training.images_at_once,
        shuffle=True,
        validation_data=(validation, validation),
        callbacks=[EpochLines()],
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
