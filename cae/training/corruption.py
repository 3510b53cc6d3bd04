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


def corrupt(images: Any, section: Corruption, seed: Any) -> tf.Tensor:
    """Corrupt each image by itself; the same seed gives the same result, another seed an independent one.

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

    Returns:
        Pixels in [0, 1], float32, the same shape; the images themselves for the kind `none`.

    Source:
        Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features with
        denoising autoencoders.
    """
    images = tf.cast(images, tf.float32)
    if isinstance(section, GaussianCorruption):
        return _add_noise(images, section.stddev, seed)
    if isinstance(section, SaltAndPepperCorruption):
        return _set_pixels(images, section.fraction, seed)
    if isinstance(section, MaskedPatchesCorruption):
        return _mask_patches(images, section.fraction, section.patch_size, seed)
    return images


def _add_noise(images: tf.Tensor, stddev: float, seed: Any) -> tf.Tensor:
    # Box and Muller 1958: two uniform numbers make a normal one.
    radius, angle = tf.unstack(_uniform((2, *tf.unstack(tf.shape(images))), seed))
    noise = tf.sqrt(-2.0 * tf.math.log(1.0 - radius)) * tf.cos(2.0 * math.pi * angle)
    return tf.clip_by_value(images + stddev * noise, 0.0, 1.0)


def _set_pixels(images: tf.Tensor, fraction: float, seed: Any) -> tf.Tensor:
    batch, height, width, _ = tf.unstack(tf.shape(images))
    # One draw for all channels of a pixel: black or white, never a strange colour.
    draws = _uniform((batch, height, width, 1), seed)
    return tf.where(draws < fraction, tf.cast(draws < fraction / 2.0, tf.float32), images)


def _mask_patches(images: tf.Tensor, fraction: float, patch_size: int, seed: Any) -> tf.Tensor:
    _, height, width, _ = images.shape
    # The patch of each row and column; the last patches are cut at the border.
    patch_rows, patch_columns = np.arange(height) // patch_size, np.arange(width) // patch_size
    shape = (tf.shape(images)[0], int(patch_rows[-1]) + 1, int(patch_columns[-1]) + 1, 1)
    draws = _uniform(shape, seed)
    draws = tf.gather(tf.gather(draws, patch_rows, axis=1), patch_columns, axis=2)  # [N, H, W, 1]
    return tf.where(draws < fraction, 0.0, images)


def _uniform(shape: tuple[Any, ...], seed: Any) -> tf.Tensor:
    """Draw from [0, 1): the same numbers on every device, compiled or not.

    TensorFlow's own uniform and normal numbers take other bits under XLA than without; only the bits
    themselves are the same everywhere, with the algorithm named.
    """
    bits = tf.random.stateless_uniform(tf.stack(shape), seed, minval=None, maxval=None, dtype=tf.int32, alg="philox")
    return tf.cast(tf.bitwise.bitwise_and(bits, 0xFFFFFF), tf.float32) * 2.0**-24
