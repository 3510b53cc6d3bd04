"""Images brought to the model's size in the way in which the run's own were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cae.data.pixels import Size, crop, cut_patch, stretch

if TYPE_CHECKING:
    from cae.config.data import DataSection


def fit_as_trained(image: np.ndarray, size: Size, section: DataSection) -> np.ndarray:
    """Stretch an image, or cut it to the middle, as `data.fit` says; sources without that key stretch.

    Example:
        >>> from cae.config.data import BundledData
        >>> fit_as_trained(np.zeros((40, 50, 1), np.uint8), (28, 28), BundledData()).shape
        (28, 28, 1)

    Args:
        image: (height, width, channels), uint8 or float32 in [0, 1].
        size: Height and width of the result.
        section: The run's `data` section.

    Raises:
        ValueError: The image is smaller than the patches that training saw.
    """
    fit = getattr(section, "fit", "stretch")
    if fit == "patch" and (image.shape[0] < size[0] or image.shape[1] < size[1]):
        raise ValueError(
            f"images must be at least as large as the patches of {size[0]}x{size[1]} pixels that training saw."
            f" Received: {image.shape[0]}x{image.shape[1]}."
        )
    return {"stretch": stretch, "crop": crop, "patch": cut_patch}[fit](image, size)
