"""What every source of images comes to: sets with random access, and the three parts of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from cae.data.formats.image_lists import with_bad
from cae.errors import RunWarning

WHOLE_BATCH = slice(None)

Progress = Callable[[int, int], None]
"""Called now and then while images are looked at, with the number done and the number of all."""


class ImageSet(Protocol):
    """A random-access set of images, all of the same shape."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image that `read` gives."""

    @property
    def names(self) -> Sequence[str]:
        """One name per image: the file's name relative to its folder, or the image's index as text.

        File names are as the file system has them; `cae.files.printable` makes them fit for a message.
        """

    @property
    def labels(self) -> np.ndarray | None:
        """One integer class per image where the source has classes; never used in training."""

    def __len__(self) -> int: ...

    def take(self, indices: np.ndarray) -> ImageSet:
        """Make a set of the images at these positions, in this order."""

    def read(self, indices: np.ndarray, seed: tuple[int, int] | None = None, part: slice = WHOLE_BATCH) -> np.ndarray:
        """Read images.

        Args:
            indices: positions in the set, integers in [0, len), in any order and any number, none included.
            seed: fixes the places of random patches; for training only. Without it, the same image is always the same.
            part: reads these of the images only; their random places are the ones they have in the whole batch.

        Returns:
            (batch, height, width, channels); uint8, or float32 in [0, 1] where the source has more than 8 bits. All
            batches of a set have the same type.

        Raises:
            UserError: a file can no longer be read.
        """

    def read_whole(self, index: int) -> np.ndarray:
        """Read one image at its own size, neither stretched nor cut: (its height, its width, channels).

        Raises:
            BadImageError: it can no longer be read.
        """


@dataclass(frozen=True)
class Splits:
    """The three parts of a data set; no image is in two of them."""

    train: ImageSet
    """What the weights are fitted to."""
    validation: ImageSet
    """Watched while training; the same images in every run on this data."""
    test: ImageSet
    """Never used in training."""
    skipped: int = 0
    """Bad images that the scan left out, with `on_bad_image: skip`."""
    replaced: Mapping[str, str] = field(default_factory=dict)
    """Files that broke after the scan, with the reasons, when `on_bad_image: skip` put another image in their place."""
    class_names: Sequence[str] = ()
    """Names of the classes that labels number, where they have names; labels are never used in training."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where a part comes from: `held out`, `folder test`, `array x_val`, `data.test_path`."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many files were left out, by kind: endings, folders, `lost link` and so on; not the bad ones."""
    value_range: tuple[float, float] | None = None
    """The stored values that became 0 and 1, where the section says [low, high] or they were observed."""
    notes: Sequence[str] = ()
    """What was taken for what, and what is doubtful in it, a sentence each."""
    warnings: list[RunWarning] = field(default_factory=list)
    """What makes these images doubtful; what is noticed while they are read is added then."""

    @property
    def numbers(self) -> dict[str, int]:
        """How many images each part has."""
        return {"train": len(self.train), "validation": len(self.validation), "test": len(self.test)}

    @property
    def all_left_out(self) -> dict[str, int]:
        """How many files were left out, by kind, the bad ones included."""
        return with_bad(self.left_out, self.skipped)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels), the same in all parts."""
        return self.train.image_shape
