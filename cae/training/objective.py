"""What training makes small: a weighted sum of reconstruction terms, and a penalty on the code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from cae.config.objective import MS_SSIM_LEAST_SIDE, MaskedPatchesCorruption, ObjectiveSection
from cae.errors import ConfigError
from cae.measures.pixel_errors import mae_per_image, mse_per_image, psnr_from_mse
from cae.measures.ssim import ms_ssim_per_image, ssim_per_image

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
        section: Weights of the terms and of the penalty.
    """

    def __init__(self, section: ObjectiveSection) -> None:
        self._section = section

    def per_image(self, images: Any, reconstructions: Any, latent: Any) -> tf.Tensor:
        """Loss of each image.

        Args:
            images: Clean pixels in [0, 1], shape (batch, height, width, channels).
            reconstructions: The model's output, the same shape.
            latent: The code, shape (batch, ...).

        Returns:
            float32, shape (batch,).
        """
        images = tf.cast(images, tf.float32)
        losses = tf.zeros_like(images[:, 0, 0, 0])  # [N]
        for name, weight in self._section.reconstruction.weights.items():
            losses += weight * TERMS[name](images, reconstructions, self._section)
        if self._section.latent_l1 > 0.0:
            magnitudes = tf.abs(tf.cast(latent, tf.float32))
            losses += self._section.latent_l1 * _mean_of_each_image(magnitudes)
        return losses

    def check_image_shape(self, image_shape: tuple[int, int, int]) -> None:
        """Refuse images that a term or the corruption does not fit.

        Args:
            image_shape: Height, width and channels.

        Raises:
            ConfigError: Images too small for MS-SSIM, or smaller than a masked patch.
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


def _mean_of_each_image(values: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(values, axis=tuple(range(1, values.shape.rank)))  # [N, ...] to [N]
