"""The validation images whose reconstructions are shown, reconstructed just as evaluation will."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from cae.data.pipeline import make_batches

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.training.step import Steps


@dataclass(frozen=True)
class ProbeImages:
    """The first images of a split.

    Args:
        images: pixels in [0, 1], (images, height, width, channels).
        names: one for each.
        batch_size: of evaluation: the noise of a corrupted image depends on its place in its batch.
        num_in_split: images that the split has.
    """

    images: np.ndarray
    names: Sequence[str]
    batch_size: int
    num_in_split: int

    @classmethod
    def first_of(cls, split: ImageSet, number: int, batch_size: int) -> ProbeImages:
        """Take the first `number` images of a split, or all that there are."""
        number = min(number, len(split))
        images = np.asarray(next(iter(make_batches(split, number))))
        return cls(images, split.names[:number], batch_size, len(split))

    def reconstruct(self, steps: Steps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs as the model is given them, latents, and reconstructions within [0, 1]."""
        parts = []
        for number, first in enumerate(range(0, len(self.images), self.batch_size)):
            images = tf.constant(self.images[first : first + self.batch_size])
            in_batch = min(self.batch_size, self.num_in_split - first)
            found = steps.reconstruct(images, tf.constant(number), tf.constant(in_batch))
            parts.append([tensor.numpy() for tensor in found])
        corrupted, latent, reconstructions = map(np.concatenate, zip(*parts, strict=True))
        return corrupted, latent, reconstructions
