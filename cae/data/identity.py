"""Whether the images of a part are those of another time: what a run writes down of them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from cae.data.dividing import Comparable
from cae.data.image_set import ImageSet, Splits
from cae.data.patch_set import pictures_of

_AT_ONCE = 512


def identify_parts(splits: Splits) -> dict[str, dict[str, Any]]:
    """Say which images each part has: `number`, and `digest` of names and a cheap look at each image, in their order.

    A look is a file's length, a stored image's length and checksum, or a row of an array's pixels: see
    `cae.data.dividing.Comparable`. So the same images are the same wherever they lie, and no image is read as a whole.

    >>> from cae.data.image_set import ArraySet
    >>> images = ArraySet(np.zeros((10, 4, 6), np.uint8))
    >>> first, last, middle = (images.take(np.array(chosen)) for chosen in ([0, 1], [8, 9], [4]))
    >>> before, after = identify_parts(Splits(first, last, middle)), identify_parts(Splits(last, first, middle))
    >>> before["test"] == after["test"], before["train"] == after["train"]
    (True, False)
    """
    return {part: identify(getattr(splits, part)) for part in splits.numbers}


def identify(images: ImageSet) -> dict[str, Any]:
    """The same for one set of images."""
    pictures, found = pictures_of(images), hashlib.sha256()
    names, looks = pictures.names, pictures.fingerprints()[:1] if isinstance(pictures, Comparable) else []
    for first in range(0, len(pictures), _AT_ONCE):
        block = range(first, min(first + _AT_ONCE, len(pictures)))
        seen = [look(np.array(block)) for look in looks]
        found.update(repr(([names[index] for index in block], seen)).encode())
    return {"number": len(images), "digest": found.hexdigest()[:16]}
