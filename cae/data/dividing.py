"""Which images are for training, which for validation, which for testing.

The choice depends on the number of images alone, never on a run's seed: every run on the same data validates and
tests on the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np

from cae.data.file_errors import printable
from cae.data.folder_files import left_out_in_words
from cae.data.image_set import ImageSet, Splits
from cae.errors import UserError
from cae.run_warning import RunWarning

S = TypeVar("S", bound="DivisibleSet")

_TEST_SEED, _VALIDATION_SEED = 1, 2


class DivisibleSet(ImageSet, Protocol):
    """An image set of which a part can be taken."""

    def take(self: S, indices: np.ndarray) -> S:
        """Make a set of the images at these positions, in this order."""


@dataclass(frozen=True)
class Parts(Generic[S]):
    """What a source has: a training part, and the parts that it brings itself."""

    train: S
    validation: S | None = None
    test: S | None = None
    skipped: int = 0
    replaced: Mapping[str, str] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    reading: str = ""
    """How the training array was read, where another reading is likely, too."""
    origins: Mapping[str, str] = field(default_factory=dict)
    """What each part of its own was found by: `folder test`, `array x_val`, `data.test_path`."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many files are not read, by kind; see `cae.data.folder_files.FileList.left_out`."""
    notes: Sequence[str] = ()
    """What was taken for what, and what is doubtful in it, a sentence each."""
    warnings: list[RunWarning] = field(default_factory=list)
    """What makes the images doubtful; more is added while they are read."""


def divide(parts: Parts[S], validation_fraction: float, test_fraction: float) -> Splits:
    """Hold out the parts that the source does not bring: first the test part, then validation from what is left.

    Args:
        parts: The source.
        validation_fraction: Share of the training part, in (0, 1); at least one image.
        test_fraction: Share of all images, in (0, 1); at least one image.

    Raises:
        UserError: No image would be left for training, or the source's own parts have images of different shapes.
    """
    train, validation, test = parts.train, parts.validation, parts.test
    shapes = {part.image_shape for part in (train, validation, test) if part is not None}
    if len(shapes) > 1:
        raise UserError(
            "All parts of the data must have images of the same (height, width, channels) unless `data.image_size` and "
            f"`data.channels` are set. Received: {', '.join(map(str, sorted(shapes)))}."
        )
    held_out = {name: "held out" for name in ("validation", "test") if getattr(parts, name) is None}
    needed = 1 + len(held_out)
    if len(train) < needed:
        raise UserError(
            f"The training part must have at least {needed} images to be split. Received: {len(train)} in all."
            + (f" ({parts.reading}.)" if parts.reading else "")
        )
    if test is None:
        # One image must be left for validation too, when that is held out next.
        train, test = _hold_out(train, test_fraction, _TEST_SEED, keep=needed - 1)
    if validation is None:
        train, validation = _hold_out(train, validation_fraction, _VALIDATION_SEED, keep=1)
    return Splits(
        train,
        validation,
        test,
        parts.skipped,
        parts.replaced,
        parts.class_names,
        origins={**parts.origins, **held_out},
        left_out=parts.left_out,
        notes=parts.notes,
        warnings=parts.warnings,
    )


def parts_in_words(numbers: Mapping[str, int], origins: Mapping[str, str], left_out: Mapping[str, int]) -> str:
    """Say in one line how many images each part has, where it comes from, and what was left out.

    >>> numbers, origins = {"train": 18, "validation": 2, "test": 5}, {"validation": "held out", "test": "folder test"}
    >>> parts_in_words(numbers, origins, {".tif": 20})
    'train 18, validation 2 (held out), test 5 (folder test); 20 files of other kinds left out: .tif'

    Args:
        numbers: Of images, by part.
        origins: What parts were found by.
        left_out: Numbers of files, by kind.
    """
    parts = [
        f"{part} {number:,}" + (f" ({origins[part]})" if part in origins else "") for part, number in numbers.items()
    ]
    return printable("; ".join([", ".join(parts), *left_out_in_words(left_out)]))


def _hold_out(images: S, fraction: float, seed: int, keep: int) -> tuple[S, S]:
    """Split off a share of the images; it keeps its random order, so that its first ones are a sample."""
    count = min(max(1, round(len(images) * fraction)), len(images) - keep)
    # Raw bits of PCG64, because NumPy promises these, and not its permutations, to stay the same in later versions.
    order = np.argsort(np.random.PCG64(seed).random_raw(len(images)), kind="stable")
    return images.take(np.sort(order[count:])), images.take(order[:count])
