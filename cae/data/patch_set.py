"""Several patches of each picture, as images of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cae.data.decoded_set import DecodedSet
from cae.data.identity import Look
from cae.data.image_set import WHOLE_BATCH, ImageSet

# The plastic number's powers: points that follow each other by them fill a square evenly, however many there are
# (Roberts 2018, "The Unreasonable Effectiveness of Quasirandom Sequences", the R2 sequence).
_STEPS = np.array([0.7548776662466927, 0.5698402909980532])


class PatchSet:
    """Each picture of a set, as many times as it gives patches; patches of one picture follow one another.

    Random ones are cut anywhere, as those of `DecodedSet` are. Others are spread evenly over their picture, the first
    one in its middle, and stay where they are.

    Args:
        pictures: the pictures.
        patches: how many patches each of them gives.
        indices: which of all patches the set has; None for all.
    """

    def __init__(self, pictures: DecodedSet, patches: int, indices: np.ndarray | None = None) -> None:
        self._pictures = pictures
        self.image_shape = pictures.image_shape
        self._patches = patches
        self._indices = np.arange(len(pictures) * patches) if indices is None else indices

    @property
    def names(self) -> Sequence[str]:
        """The pictures' names, and the patch's number from 0."""
        names = self._pictures.names
        return [f"{names[index // self._patches]} patch {index % self._patches}" for index in self._indices.tolist()]

    @property
    def labels(self) -> np.ndarray | None:
        """The pictures' labels."""
        labels = self._pictures.labels
        return None if labels is None else labels[self._indices // self._patches]

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, indices: np.ndarray) -> PatchSet:
        """Make a set of the patches at these positions, in this order."""
        return PatchSet(self._pictures, self._patches, self._indices[indices])

    @property
    def pictures(self) -> DecodedSet:
        """The pictures that the set has patches of, each once."""
        own = np.unique(self._indices // self._patches)
        return self._pictures if len(own) == len(self._pictures) else self._pictures.take(own)

    def first_look(self) -> Look:
        """Look at the pictures."""
        return self.pictures.first_look()

    def read(self, indices: np.ndarray, seed: tuple[int, int] | None = None, part: slice = WHOLE_BATCH) -> np.ndarray:
        """Read patches: (batch, height, width, channels); see `ImageSet.read`."""
        chosen = self._indices[indices]
        places = (0.5 + _STEPS * (chosen % self._patches)[:, np.newaxis]) % 1
        return self._pictures.read(chosen // self._patches, seed, part, places)

    def read_whole(self, index: int) -> np.ndarray:
        """Decode the picture of a patch."""
        return self._pictures.read_whole(int(self._indices[index]) // self._patches)


def pictures_of(images: ImageSet) -> ImageSet:
    """The pictures that patches are cut from; other sets as they are."""
    return images.pictures if isinstance(images, PatchSet) else images
