"""Images of the training part that are in another part, too, so that figures on these say too much."""

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

    Sizes are compared first, then the ends of files of one size; only what agrees so far is read as a whole.
    """
    found = []
    for name, part in (("validation", splits.validation), ("test", splits.test)):
        looked_for = _spread(len(part))
        if shared := find_shared(splits.train, part, looked_for):
            example = printable(part.names[shared[0]])
            found.append(f"{len(shared):,} of {len(looked_for):,} {name} images (the first is {example})")
    if not found:
        return []
    message = (
        f"{' and '.join(found)} are among the training images, too, byte for byte; figures on them say too much of the"
        " model. Remove them from one of the parts."
    )
    return [RunWarning("leaking_parts", message)]


def find_shared(train: ImageSet, other: ImageSet, looked_for: np.ndarray) -> list[int]:
    """Find the images of another set that are stored just as an image of the training set is.

    Args:
        train: The training set.
        other: The other set.
        looked_for: Indices of the images of the other set that are looked for.

    Returns:
        Indices in the other set, in their order.
    """
    if not isinstance(train, Comparable) or not isinstance(other, Comparable):
        return []
    looks = list(zip(train.fingerprints(), other.fingerprints(), strict=False))
    mine, theirs = np.arange(len(train)), looked_for
    for see_mine, see_theirs in looks:
        looks_of_theirs = _look(see_theirs, theirs)
        wanted = set(looks_of_theirs) - {None}
        seen, kept = set(), []
        for start in range(0, len(mine), _BLOCK):
            block = mine[start : start + _BLOCK]
            for index, look in zip(block, see_mine(block), strict=True):
                if look in wanted:
                    seen.add(look)
                    kept.append(index)
        theirs = np.array([i for i, look in zip(theirs, looks_of_theirs, strict=True) if look in seen], int)
        mine = np.array(kept, int)
    return [int(index) for index in theirs] if looks else []


def _look(see: See, indices: np.ndarray) -> list[Hashable]:
    return [look for start in range(0, len(indices), _BLOCK) for look in see(indices[start : start + _BLOCK])]


def _spread(number: int) -> np.ndarray:
    return np.unique(np.linspace(0, number - 1, min(number, _MOST_LOOKED_FOR)).round().astype(int))
