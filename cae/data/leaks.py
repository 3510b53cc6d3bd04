"""Images of the training part that are in another part, too, where the model then looks better than it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from cae.data.file_errors import printable
from cae.data.image_set import ImageSet, Splits
from cae.run_warning import RunWarning

# Bounds the time that millions of images take: of a part with more, so many are looked for.
_MOST_LOOKED_FOR = 10_000
_BLOCK = 512

See = Callable[[np.ndarray], Sequence[Hashable]]


@runtime_checkable
class Comparable(Protocol):
    """An image set that can tell whether images are stored alike."""

    def fingerprints(self) -> Sequence[See]:
        """Ever more exact and more costly looks at some images, given by their indices; None for what cannot be read.

        Images that are stored alike look alike every time, and others differ at least in the last look. Empty where a
        look at every image would take too long.
        """


def warn_of_leaks(splits: Splits) -> list[RunWarning]:
    """Say how many validation and test images are training images, too, byte for byte.

    Lengths are compared first, then the ends of files of one length; only what agrees so far is read as a whole.
    """
    parts = {"validation": splits.validation, "test": splits.test}
    looked_for = {name: _spread(len(part)) for name, part in parts.items()}
    shared = find_shared(splits.train, [(part, looked_for[name]) for name, part in parts.items()])
    found = [
        f"{len(indices):,} of {len(looked_for[name]):,} {name} images"
        f" (the first is {printable(part.names[indices[0]])})"
        for (name, part), indices in zip(parts.items(), shared, strict=True)
        if indices
    ]
    if not found:
        return []
    message = (
        f"Among the training images are, byte for byte, {' and '.join(found)}. So the model looks better on these parts"
        " than it is. Remove the images from one of the parts."
    )
    return [RunWarning("leaking_parts", message)]


def find_shared(train: ImageSet, others: Sequence[tuple[ImageSet, np.ndarray]]) -> list[list[int]]:
    """Find the images of other sets that are stored just as an image of the training set is.

    Args:
        train: The training set.
        others: The other sets, with the indices of the images that are looked for.

    Returns:
        For each of the other sets the indices of what was found, in the order in which they were looked for.
    """
    sets = [images for images in (train, *(other for other, _ in others)) if isinstance(images, Comparable)]
    levels = list(zip(*(images.fingerprints() for images in sets), strict=False))
    if len(sets) <= len(others) or not levels:
        return [[] for _ in others]
    mine, theirs = np.arange(len(train)), [looked_for for _, looked_for in others]
    for see_mine, *see_theirs in levels:
        looks = [_look(see, indices) for see, indices in zip(see_theirs, theirs, strict=True)]
        wanted, seen, kept = set().union(*looks) - {None}, set(), []
        for start in range(0, len(mine), _BLOCK):
            block = mine[start : start + _BLOCK]
            for index, look in zip(block, see_mine(block), strict=True):
                if look in wanted:
                    seen.add(look)
                    kept.append(index)
        mine = np.array(kept, int)
        theirs = [
            np.array([index for index, look in zip(indices, found, strict=True) if look in seen], int)
            for indices, found in zip(theirs, looks, strict=True)
        ]
    return [indices.tolist() for indices in theirs]


def _look(see: See, indices: np.ndarray) -> list[Hashable]:
    return [look for start in range(0, len(indices), _BLOCK) for look in see(indices[start : start + _BLOCK])]


def _spread(number: int) -> np.ndarray:
    return np.unique(np.linspace(0, number - 1, min(number, _MOST_LOOKED_FOR)).round().astype(int))
