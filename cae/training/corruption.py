"""What is done to a model's inputs but not to its targets: a denoising autoencoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from cae.config.objective import (
    Corruption,
    GaussianCorruption,
    MaskedPatchesCorruption,
    SaltAndPepperCorruption,
)
from cae.data.batch_shares import Position


def corrupt(images: Any, section: Corruption, seed: Any, position: Position | None = None) -> tf.Tensor:
    """Corrupt each image by itself; the same seed gives the same result, another seed an independent one.

    What happens to an image depends on the seed and its place in the batch, not on who has which part of the batch.

    Example:
        >>> import tensorflow as tf
        >>> images = tf.fill((1, 4, 4, 1), 0.5)
        >>> section = SaltAndPepperCorruption(fraction=0.5)
        >>> noisy = corrupt(images, section, seed=(0, 1))
        >>> sorted(set(noisy.numpy().ravel().tolist()))
        [0.0, 0.5, 1.0]

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, channels); height and width known.
        section: The kind of corruption and how strong it is.
        seed: Two int32 numbers.
        position: Where these images lie in a batch that others have a part of; None where they are all of it.

    Returns:
        Pixels in [0, 1], float32, the same shape; the images themselves for the kind `none`.

    Source:
        Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features with
        denoising autoencoders.
    """
    images = tf.cast(images, tf.float32)
    if isinstance(section, GaussianCorruption):
        return _add_noise(images, section.stddev, seed, position)
    if isinstance(section, SaltAndPepperCorruption):
        return _set_pixels(images, section.fraction, seed, position)
    if isinstance(section, MaskedPatchesCorruption):
        return _mask_patches(images, section.fraction, section.patch_size, seed, position)
    return images


def _add_noise(images: tf.Tensor, stddev: float, seed: Any, position: Position | None) -> tf.Tensor:
    # Box and Muller 1958: two uniform numbers make a normal one.
    radius, angle = tf.unstack(_uniform((2, *tf.unstack(tf.shape(images))), seed, position))
    noise = tf.sqrt(-2.0 * tf.math.log(1.0 - radius)) * tf.cos(2.0 * math.pi * angle)
    return tf.clip_by_value(images + stddev * noise, 0.0, 1.0)


def _set_pixels(images: tf.Tensor, fraction: float, seed: Any, position: Position | None) -> tf.Tensor:
    batch, height, width, _ = tf.unstack(tf.shape(images))
    # One draw for all channels of a pixel: black or white, never a strange colour.
    (draws,) = tf.unstack(_uniform((1, batch, height, width, 1), seed, position))
    return tf.where(draws < fraction, tf.cast(draws < fraction / 2.0, tf.float32), images)


def _mask_patches(
    images: tf.Tensor, fraction: float, patch_size: int, seed: Any, position: Position | None
) -> tf.Tensor:
    _, height, width, _ = images.shape
    # The patch of each row and column; the last patches are cut at the border.
    patch_rows, patch_columns = np.arange(height) // patch_size, np.arange(width) // patch_size
    shape = (1, tf.shape(images)[0], int(patch_rows[-1]) + 1, int(patch_columns[-1]) + 1, 1)
    (draws,) = tf.unstack(_uniform(shape, seed, position))
    draws = tf.gather(tf.gather(draws, patch_rows, axis=1), patch_columns, axis=2)  # [N, H, W, 1]
    return tf.where(draws < fraction, 0.0, images)


def _uniform(shape: tuple[Any, ...], seed: Any, position: Position | None) -> tf.Tensor:
    """Draw from [0, 1): the same numbers on every device, compiled or not.

    TensorFlow's own uniform and normal numbers take other bits under XLA than without; only the bits
    themselves are the same everywhere, with the algorithm named.

    Args:
        shape: (planes, images, ...); images are those at hand.
        seed: Two int32 numbers.
        position: Where the images lie in their batch.
    """
    bits = _random_bits(shape, seed) if position is None else _random_bits_of_part(shape, seed, position)
    return tf.cast(tf.bitwise.bitwise_and(bits, 0xFFFFFF), tf.float32) * 2.0**-24


def _random_bits(shape: tuple[Any, ...], seed: Any) -> tf.Tensor:
    return tf.random.stateless_uniform(tf.stack(shape), seed, minval=None, maxval=None, dtype=tf.int32, alg="philox")


def _random_bits_of_part(shape: tuple[Any, ...], seed: Any, position: Position) -> tf.Tensor:
    """The part of the whole batch's bits that belongs to these images, without drawing the others.

    Philox turns a counter into four numbers (Salmon et al. 2011), so its stream can be entered anywhere.
    """
    planes, images, *rest = shape
    # A seed's key and counter are what `stateless_uniform` makes of it; 1 stands for Philox.
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=tf.stack(seed))
    per_image = tf.cast(tf.reduce_prod(tf.stack(rest)), tf.int64)
    num = tf.cast(images, tf.int64) * per_image
    drawn = []
    for plane in range(planes):
        start = (plane * tf.cast(position.total, tf.int64) + tf.cast(position.first, tf.int64)) * per_image
        skipped = tf.stack([tf.cast(start // 4, tf.uint64), tf.constant(0, tf.uint64)])
        bits = tf.raw_ops.StatelessRandomUniformFullIntV2(
            shape=tf.reshape(num + 3, [1]), key=key, counter=counter + skipped, alg=1, dtype=tf.int32
        )
        drawn.append(tf.reshape(tf.slice(bits, [start % 4], [num]), tf.stack([images, *rest])))
    return tf.stack(drawn)
