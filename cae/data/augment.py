"""Random changes of training images, a whole batch at a time, in TensorFlow."""

from __future__ import annotations

import tensorflow as tf

from cae.config.data import Augmentation
from cae.data.shares import Position


def augment(
    images: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor, position: Position | None = None
) -> tf.Tensor:
    """Flip and shift each image of a batch at random; the same seed gives the same changes.

    >>> images = tf.reshape(tf.range(6.0), (1, 2, 3, 1))
    >>> augment(images, Augmentation(), tf.constant([0, 0])) is images
    True

    Args:
        images: (batch, height, width, channels), any type.
        augmentation: Which changes are made.
        seed: Two integers, such as the run's seed and the step.
        position: Where these images lie in a batch that others have a part of; None where they are all of it.

    Returns:
        The same shape and type.

    Source: Krizhevsky et al. 2012, section 4.1 (shifts and reflections).
    """
    seeds = tf.random.experimental.stateless_split(seed, 3)
    position = position or Position(0, tf.shape(images)[0])
    if augmentation.horizontal_flip:
        images = _flip_half(images, 2, seeds[0], position)
    if augmentation.vertical_flip:
        images = _flip_half(images, 1, seeds[1], position)
    if augmentation.random_crop > 0:
        images = _shift(images, augmentation.random_crop, seeds[2], position)
    return images


def _flip_half(images: tf.Tensor, axis: int, seed: tf.Tensor, position: Position) -> tf.Tensor:
    # A number or two for an image: all of the batch's are drawn, and those of these images kept.
    draws = tf.random.stateless_uniform([position.total, 1, 1, 1], seed)
    flipped = draws[position.first :][: tf.shape(images)[0]] < 0.5
    return tf.where(flipped, tf.reverse(images, [axis]), images)


def _shift(images: tf.Tensor, most: int, seed: tf.Tensor, position: Position) -> tf.Tensor:
    """Move each image by up to `most` pixels, as if cut out of a picture that goes on mirrored past its borders."""
    batch, height, width, _ = tf.unstack(tf.shape(images))
    shifts = tf.random.stateless_uniform([2, position.total, 1], seed, -most, most + 1, tf.int32)
    shifts = shifts[:, position.first :][:, :batch]  # (2, batch, 1)
    rows = _mirror(tf.range(height) + shifts[0], height)  # (batch, height)
    columns = _mirror(tf.range(width) + shifts[1], width)  # (batch, width)
    # One gather over flat pixels is faster than one along each axis.
    pixels = rows[:, :, tf.newaxis] * width + columns[:, tf.newaxis, :]  # (batch, height, width)
    flat = tf.reshape(images, [batch, height * width, -1])
    return tf.reshape(tf.gather(flat, tf.reshape(pixels, [batch, -1]), batch_dims=1), tf.shape(images))


def _mirror(positions: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Fold positions back into [0, size): ... 2 1 | 0 1 2 3 | 2 1 ..., the border pixel itself not repeated."""
    period = tf.maximum(2 * (size - 1), 1)
    positions = tf.math.floormod(positions, period)
    return tf.minimum(positions, period - positions)
