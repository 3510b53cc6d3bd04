"""What training makes small: a weighted sum of reconstruction terms, a penalty on the code; and corrupted inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.config.objective import (
    MS_SSIM_LEAST_SIDE,
    OWN_TERMS,
    Corruption,
    GaussianCorruption,
    KerasLoss,
    MaskedPatchesCorruption,
    ObjectiveSection,
    OwnCorruption,
    SaltAndPepperCorruption,
)
from cae.config.registration import call_part
from cae.data.batch_shares import Position
from cae.errors import ConfigError, UserError
from cae.measures.per_image import mae_per_image, ms_ssim_per_image, mse_per_image, psnr_from_mse, ssim_per_image
from cae.training.from_keras.objects import make

_DEFAULT_HUBER_DELTA = 0.1
# Added before the logarithm, so that images that are nearly exact do not outweigh all others.
_LEAST_MSE = 1e-6

Term = Callable[[tf.Tensor, tf.Tensor, ObjectiveSection], tf.Tensor]


def _bce(images: tf.Tensor, reconstructions: tf.Tensor, section: ObjectiveSection) -> tf.Tensor:
    # Casting float32 to float32 is no operation, so Keras still finds the sigmoid behind the tensor.
    probabilities = tf.cast(reconstructions, tf.float32)
    return _mean_of_each_image(keras.ops.binary_crossentropy(images, probabilities))


def _huber(images: tf.Tensor, reconstructions: tf.Tensor, section: ObjectiveSection) -> tf.Tensor:
    delta = section.huber_delta or _DEFAULT_HUBER_DELTA
    return _mean_of_each_image(keras.losses.huber(images, tf.cast(reconstructions, tf.float32), delta=delta))


TERMS: dict[str, Term] = {
    "mse": lambda images, reconstructions, _: mse_per_image(images, reconstructions),
    "psnr": lambda images, reconstructions, _: -psnr_from_mse(mse_per_image(images, reconstructions) + _LEAST_MSE),
    "mae": lambda images, reconstructions, _: mae_per_image(images, reconstructions),
    "bce": _bce,
    "huber": _huber,
    "ssim": lambda images, reconstructions, _: 1.0 - ssim_per_image(images, reconstructions),
    "ms_ssim": lambda images, reconstructions, _: 1.0 - ms_ssim_per_image(images, reconstructions),
}
"""Each key of `objective.reconstruction` to a function of images, reconstructions and section.

Images are float32, and reconstructions as the model gives them; the loss of each image is float32, (batch,).
"""


class Objective:
    """The loss of each image.

    A term is a mean over the image's pixels and channels, so its weight means the same at every size. Terms
    see the reconstruction as the model gives it: a linear output that leaves [0, 1] is not clipped, since
    clipping would take away the gradient that brings it back. Only `bce` bounds it, as Keras does: it uses
    the logits where the output comes straight from a sigmoid, and else keeps probabilities 1e-7 away from 0
    and 1. Losses are float32 whatever the model computes in, and their gradients are finite.

    Example:
        >>> import tensorflow as tf
        >>> from cae.config.objective import ObjectiveSection, Reconstruction
        >>> section = ObjectiveSection(reconstruction=Reconstruction(mse=1.0, mae=2.0), latent_l1=0.5)
        >>> objective = Objective(section)
        >>> images, latent = tf.zeros((1, 4, 4, 1)), tf.constant([[1.0, -3.0]])
        >>> objective.per_image(images, images + 0.5, latent).numpy().tolist()  # 0.25 + 2 * 0.5 + 0.5 * 2
        [2.25]

    Args:
        section: weights of the terms and of the penalty.
    """

    def __init__(self, section: ObjectiveSection) -> None:
        self._section = section
        self._own = None if section.loss is None else _loss_of(section.loss)

    def per_image(self, images: Any, reconstructions: Any, latent: Any) -> tf.Tensor:
        """Loss of each image.

        Args:
            images: clean pixels in [0, 1], shape (batch, height, width, channels).
            reconstructions: the model's output, the same shape.
            latent: the code, shape (batch, ...).

        Returns:
            float32, shape (batch,).
        """
        images = tf.cast(images, tf.float32)
        losses = tf.zeros_like(images[:, 0, 0, 0])  # [N]
        if self._own is not None:
            losses += self._own(images, tf.cast(reconstructions, tf.float32))
        for name, weight in self._section.reconstruction.weights.items() if self._own is None else ():
            if name in TERMS:
                losses += weight * TERMS[name](images, reconstructions, self._section)
            else:
                losses += weight * _as_terms(OWN_TERMS[name])(images, tf.cast(reconstructions, tf.float32))
        if self._section.latent_l1 > 0.0:
            magnitudes = tf.abs(tf.cast(latent, tf.float32))
            losses += self._section.latent_l1 * _mean_of_each_image(magnitudes)
        return losses

    def check_image_shape(self, image_shape: tuple[int, int, int]) -> None:
        """Refuse images that a term or the corruption does not fit.

        Args:
            image_shape: height, width and channels.

        Raises:
            ConfigError: images too small for MS-SSIM, or smaller than a masked patch.
        """
        height, width, _ = image_shape
        weights, corruption = self._section.reconstruction.weights, self._section.corruption
        problems = []
        if "ms_ssim" in weights and min(height, width) < MS_SSIM_LEAST_SIDE:
            problems.append(
                f"`objective.reconstruction.ms_ssim` needs images of at least {MS_SSIM_LEAST_SIDE} pixels "
                f"a side; use `ssim` for smaller ones. Received: {height}x{width} (height x width)."
            )
        if isinstance(corruption, MaskedPatchesCorruption) and corruption.patch_size > min(height, width):
            problems.append(
                "`objective.corruption.patch_size` must be at most the image's shorter side. "
                f"Received: patch_size={corruption.patch_size}, images of {height}x{width} (height x width)."
            )
        if problems:
            raise ConfigError("\n".join(problems))

    def try_own_parts(self, image_shape: tuple[int, int, int]) -> None:
        """Try functions of your own on two images, before any work is done; without any, TensorFlow has nothing to do.

        Raises:
            UserError: one fails, or gives what cannot be trained with.
        """
        names = [name for name in self._section.reconstruction.weights if name in OWN_TERMS]
        functions = {f"objective.reconstruction.{name}": _as_terms(OWN_TERMS[name]) for name in names}
        functions = functions if self._own is None else {"objective.loss": self._own}
        corrupts = isinstance(self._section.corruption, OwnCorruption)
        if not (functions or corrupts):
            return
        images, made = tf.zeros((2, *image_shape)), tf.fill((2, *image_shape), 0.5)
        for key, function in functions.items():
            with tf.GradientTape() as tape:
                tape.watch(made)
                values = call_part(key, function, images, made)
            if tuple(values.shape) not in ((), (2,)):
                raise UserError(f"{key}: must give values for each image. Received: shape {values.shape} for 2 images.")
            if tape.gradient(values, made) is None:
                raise UserError(
                    f"{key}: must depend on the reconstructions, its second argument, by Keras' operations."
                )
        if corrupts:
            corrupt(images, self._section.corruption, tf.constant([0, 1]))


def objective_to_measure(section: ObjectiveSection) -> Objective:
    """The objective of a run that others evaluate, who may lack a loss that a Python program handed over.

    Its place takes the mean squared error.
    """
    try:
        return Objective(section)
    except ConfigError:
        raise
    except UserError:
        return Objective(section.model_copy(update={"loss": None}))


def _loss_of(section: KerasLoss | str) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """What a configuration says in the place of terms."""
    return _as_terms(make("loss", KerasLoss(class_name=section) if isinstance(section, str) else section))


def _as_terms(loss: Any) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A loss of Keras, or a function, as a value for each image; one that gives a single number gives it to all."""
    loss = loss() if isinstance(loss, type) else loss
    function = loss.call if isinstance(loss, keras.losses.Loss) else loss

    def per_image(images: tf.Tensor, reconstructions: tf.Tensor) -> tf.Tensor:
        values = tf.cast(function(images, reconstructions), tf.float32)
        return values if values.shape.rank == 0 else _mean_of_each_image(values)

    return per_image


def _mean_of_each_image(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank)))  # [N, ...] to [N]


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
        images: pixels in [0, 1], shape (batch, height, width, channels); height and width known.
        section: the kind of corruption and how strong it is.
        seed: two int32 numbers.
        position: where these images lie in a batch that others have a part of; None where they are all of it.

    Returns:
        Pixels in [0, 1], float32, the same shape; the images themselves for the kind `none`.

    Source:
        Vincent, Larochelle, Bengio and Manzagol (2008), Extracting and composing robust features with
        denoising autoencoders.
    """
    images = tf.cast(images, tf.float32)
    if isinstance(section, OwnCorruption):
        made = call_part("objective.corruption", type(section).part, images, seed, **section.options)
        if not images.shape.is_compatible_with(tf.convert_to_tensor(made).shape):
            rule = f"objective.corruption: {section.kind} must give images of the shape that it takes, {images.shape}"
            raise UserError(f"{rule}. Received: shape {made.shape}.")
        return tf.clip_by_value(made, 0.0, 1.0)
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
        seed: two int32 numbers.
        position: where the images lie in their batch.
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
    # Key and counter are derived from the seed as in `stateless_uniform`; 1 stands for Philox.
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
