"""The images that an export is checked on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from cae.config.data import BundledData
from cae.data.load import load_splits
from cae.data.pixels import to_float
from cae.errors import UserError

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits

_MOST_IMAGES = 32
_MOST_PIXELS = 2**21


def choose_images(
    section: DataSection,
    image_shape: tuple[int, int, int],
    load: Callable[[DataSection], Splits],
    *,
    must_be_own: bool = False,
) -> tuple[np.ndarray, str]:
    """Take images, evenly spread over the run's test part, or its validation part where it has no other.

    Where they cannot be had, as on another machine, images that come with the program, brought to the run's shape,
    take their place.

    Args:
        section: the run's `data` section.
        image_shape: (height, width, channels) that the run was trained on.
        load: finds the images of a section.
        must_be_own: whether only the section's own will do.

    Returns:
        At most 32 images, fewer where they are large, (batch, height, width, channels), float32 in [0, 1]; and what
        they are, in words.

    Raises:
        UserError: the section's own must be taken, and cannot be.
    """
    try:
        return _take(load(section), image_shape, "of the run")
    except UserError as error:
        if must_be_own:
            raise
        bundled = BundledData(image_size=image_shape[:2], channels=image_shape[2])  # type: ignore[arg-type]
        images, what = _take(load_splits(bundled), image_shape, "of Fashion-MNIST")
        return images, f"{what}, since the run's own cannot be had ({error})"


def _take(splits: Splits, image_shape: tuple[int, int, int], whose: str) -> tuple[np.ndarray, str]:
    if splits.image_shape != image_shape:
        raise UserError(f"images now have shape {splits.image_shape}, and the run was trained on {image_shape}")
    part = "test" if len(splits.test) else "validation"
    images = getattr(splits, part)
    most = min(_MOST_IMAGES, max(2, _MOST_PIXELS // (image_shape[0] * image_shape[1])), len(images))
    pixels = to_float(images.read(np.linspace(0, len(images) - 1, most).astype(int)))
    return pixels, f"{most} {part} image{'s' if most > 1 else ''} {whose}"
