"""One training of `configs/compare_decoders.yaml` as a plain Keras script: `python -m ... CONFIG OUT.keras`.

The configuration says which images and which decoder, and the numbers of the training; model, loss and training are
written out here once more with stock layers and `fit`. Pictures, histograms, metrics other than the loss, averaged
weights in validation and going on after a kill, which the program has, are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contestants.plain_keras import UNKNOWN_TO_XLA
from benchmarks.contestants.plain_layers import POOLINGS, upsample_and_convolve
from cae.config import load_config
from cae.data.load import load_splits
from cae.plan import make_plan


def build_autoencoder(image_shape: tuple[int, int, int], kind: str) -> keras.Model:
    """Two stages with 2x2 max pooling, a dense code of 32 values, and the mirror with this upsampling."""
    layers = keras.layers
    inputs = x = keras.Input(image_shape)
    switches: list[Any] = []
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same", activation="gelu")(x)
        if kind in POOLINGS:
            x, recorded = POOLINGS[kind]()(x)
            switches.append(recorded)
        else:
            x = layers.MaxPooling2D()(x)
    shape = x.shape[1:]
    x = layers.Dense(32)(layers.Flatten()(x))
    x = layers.Reshape(shape)(layers.Dense(int(np.prod(shape)))(x))
    for filters in (16, 16):
        x = upsample_and_convolve(x, kind, filters, switches.pop() if switches else None, activation="gelu")
    return keras.Model(inputs, layers.Conv2D(image_shape[2], 3, padding="same", activation="sigmoid")(x))


def negative_psnr(images: tf.Tensor, reconstructions: tf.Tensor) -> tf.Tensor:
    """Minus the PSNR of each image, in dB."""
    return -tf.image.psnr(images, reconstructions, 1.0)


def main(config: str, out: str) -> None:
    """Train and save."""
    loaded = load_config(Path(config))
    splits = load_splits(loaded.data)
    train, validation = (
        images.read(np.arange(len(images))).astype(np.float32) / 255.0 for images in (splits.train, splits.validation)
    )
    training = loaded.training
    upsampling = loaded.model.model_dump()["decoder"]["upsampling"]
    kind = "_".join(str(upsampling[key]) for key in ("kind", "interpolation", "kernel_size") if upsampling.get(key))
    keras.utils.set_random_seed(loaded.seed)
    model = build_autoencoder(splits.image_shape, kind)
    wanted = make_plan(loaded.model, splits.image_shape).parameters
    if model.count_params() != wanted:
        raise SystemExit(f"{kind} has {wanted} parameters, not {model.count_params()}")
    epochs, batches = int(training.epochs), -(-len(train) // training.images_at_once)
    given = training.model_dump()
    warmup = round(given["schedule"]["warmup_epochs"] * batches)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, epochs * batches - warmup, warmup_target=given["optimizer"]["learning_rate"], warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        given["optimizer"]["weight_decay"],
        global_clipnorm=training.global_clipnorm,
        use_ema=True,
        ema_momentum=given["ema"]["momentum"],
    )
    model.compile(optimizer, negative_psnr, jit_compile=False if kind in UNKNOWN_TO_XLA else "auto")
    flip = keras.layers.RandomFlip("horizontal")
    data = tf.data.Dataset.from_tensor_slices(train).shuffle(len(train)).batch(training.images_at_once)
    data = data.map(lambda images: (flip(images, training=True),) * 2).prefetch(2)
    model.fit(data, epochs=epochs, validation_data=(validation, validation), verbose=2)
    model.save(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
