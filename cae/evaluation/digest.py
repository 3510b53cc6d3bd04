"""What an evaluation's figures depend on, as one word: where it is the same, nothing need be measured again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import numpy as np

from cae.config.data import PATH_KEYS
from cae.data.pixels import to_float

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.data.image_set import ImageSet

# Goes up with every change that gives other figures, or more of them: evaluations of before are then made again.
FIGURES_VERSION = 1

_IMAGES_AT_ONCE = 64


def digest_images(images: ImageSet) -> str:
    """Fingerprint of a set's pixels in their order; that of other images is another, wherever they lie.

    Reads every image once.

    Example:
        >>> from cae.data.array_set import ArraySet
        >>> black, white = (ArraySet(np.full((3, 4, 4), level, np.uint8)) for level in (0, 255))
        >>> digest_images(black) == digest_images(black), digest_images(black) == digest_images(white)
        (True, False)

    Raises:
        UserError: a file cannot be read.
    """
    found = hashlib.sha256(repr((len(images), images.image_shape)).encode())
    for first in range(0, len(images), _IMAGES_AT_ONCE):
        pixels = images.read(np.arange(first, min(first + _IMAGES_AT_ONCE, len(images))))
        found.update(np.ascontiguousarray(to_float(pixels)).tobytes())
    return found.hexdigest()


def digest_evaluation(weights: str, config: RunConfig, images: str, num_training_images: int) -> str:
    """Fingerprint of a run's weights and configuration, of the images that measure it, and of `FIGURES_VERSION`.

    Args:
        weights: from `RunDirectory.digest_weights`.
        config: the run's; where its data lie does not count.
        images: from `digest_images`.
        num_training_images: that baselines are fitted on.
    """
    settings = config.model_dump(mode="json", include={"seed", "data", "model", "objective", "training"})
    for place in PATH_KEYS:
        del settings["data"][place]
    everything = [weights, settings, images, num_training_images, FIGURES_VERSION]
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()
