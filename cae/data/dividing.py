"""Which images are for training, which for validation, which for testing.

The choice depends on the number of images alone, never on a run's seed: every run on the same data validates and
tests on the same images.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np

from cae.config.data import CLASS_NAMES
from cae.data.formats.image_lists import left_out_in_words
from cae.data.image_set import ImageSet, Progress, Splits, spread_over
from cae.data.patch_set import pictures_of
from cae.errors import RunWarning, UserError
from cae.files import printable

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
    """How many files are not read, by kind; see `cae.data.formats.image_lists.FileList.left_out`."""
    notes: Sequence[str] = ()
    """How images were read, and what is doubtful about it, a sentence each."""
    warnings: list[RunWarning] = field(default_factory=list)
    """What makes the images doubtful; more is added while they are read."""


def divide(parts: Parts[S], validation_fraction: float, test_fraction: float) -> Splits:
    """Hold out the parts that the source does not bring: first the test part, then validation from what is left.

    Args:
        parts: the source.
        validation_fraction: share of the training part, in (0, 1); at least one image.
        test_fraction: share of all images, in (0, 1); at least one image.

    Raises:
        UserError: no image would be left for training, or the source's own parts have images of different shapes.
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
        numbers: of images, by part.
        origins: what parts were found by.
        left_out: numbers of files, by kind.
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


def keep_classes(
    splits: Splits, wanted: Sequence[int | str], *, needed: Collection[str] = ("train", "validation", "test")
) -> Splits:
    """Keep the images of some classes in every part.

    Parts were divided before, so which part an image belongs to does not depend on the classes that are kept: what
    another choice of classes finds in the test part was not trained on. Labels stay the numbers that they were.

    Args:
        splits: whose sources have classes.
        wanted: names of class folders, or labels.
        needed: the parts that must have an image of them; another one may end up without, or have no classes.

    Raises:
        UserError: the images have no classes, a class does not exist, or a part that is needed has no image of them.
    """
    numbers = [_number(label, splits) for label in wanted]
    train, validation, test = (
        _keep(getattr(splits, part), part, numbers, splits, part in needed) for part in ("train", "validation", "test")
    )
    return replace(splits, train=train, validation=validation, test=test)


def class_name(label: int, class_names: Sequence[str]) -> str:
    """The name of a class: its folder's, or its number where classes have no names.

    >>> class_name(1, ["cat", "dog"]), class_name(7, [])
    ('dog', '7')
    """
    return class_names[label] if 0 <= label < len(class_names) else str(label)


def _keep(images: ImageSet, part: str, numbers: Sequence[int], splits: Splits, is_needed: bool) -> ImageSet:
    title = "training" if part == "train" else part
    rows = np.flatnonzero(np.isin([] if images.labels is None else images.labels, numbers))
    if is_needed and images.labels is None:
        raise UserError(f"`data.classes` needs images with labels, and those of the {title} part have none.")
    if is_needed and not len(rows):
        raise UserError(
            f"`data.classes` must leave an image in every part. Received: classes of which the {len(images)} images of"
            f" the {title} part have none. {_existing(splits)}"
        )
    return images.take(rows)


def _number(wanted: int | str, splits: Splits) -> int:
    # A folder may be called `3`, and YAML gives that as a number.
    if str(wanted) in splits.class_names:
        return splits.class_names.index(str(wanted))
    has_numbers = not splits.class_names or splits.class_names in CLASS_NAMES.values()
    if not has_numbers or not isinstance(wanted, int):
        raise UserError(f"`data.classes` must name classes of the data. Received: {wanted}. {_existing(splits)}")
    return wanted


def _existing(splits: Splits) -> str:
    labels = () if splits.train.labels is None else np.unique(splits.train.labels)
    names = splits.class_names or [str(label) for label in labels]
    shown = printable(", ".join(names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"The data have: {shown or 'none'}."


# Bounds the time for millions of images: at most this many of a part are looked for.
_MOST_LOOKED_FOR = 10_000
_BLOCK = 512

See = Callable[[np.ndarray], Sequence[Hashable]]


@runtime_checkable
class Comparable(Protocol):
    """A set of images that can tell whether they are stored alike."""

    @property
    def storage(self) -> Hashable:
        """How images are stored: only looks at sets of the same storage can be held against each other."""

    def fingerprints(self) -> Sequence[See]:
        """Ever more exact and more costly looks at some images, given by their indices; None for what cannot be read.

        Images that are stored alike look alike every time, and others differ at least in the last look. Empty where a
        look at every image would take too long.
        """


def warn_of_leaks(splits: Splits) -> list[RunWarning]:
    """Say how many validation and test images are training images, too, byte for byte.

    Lengths are compared first, then the ends of files of one length; only what agrees so far is read as a whole.
    """
    parts = {"validation": pictures_of(splits.validation), "test": pictures_of(splits.test)}
    looked_for = {name: spread_over(len(part), _MOST_LOOKED_FOR) for name, part in parts.items()}
    shared = find_shared(pictures_of(splits.train), [(part, looked_for[name]) for name, part in parts.items()])
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


def are_comparable(one: object, other: object) -> bool:
    """Whether `find_shared` can find what two sets share."""
    if not (isinstance(one, Comparable) and isinstance(other, Comparable)) or one.storage != other.storage:
        return False
    return bool(one.fingerprints() and other.fingerprints())


def find_shared(
    train: Sized, others: Sequence[tuple[object, np.ndarray]], progress: Progress | None = None
) -> list[list[int]]:
    """Find the images of other sets that are stored just as an image of the training set is.

    Args:
        train: the training set.
        others: the other sets, with the indices of the images that are looked for.
        progress: called now and then while training images are looked at, in each of several ever shorter rounds.

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
            if progress is not None:
                progress(start, len(mine))
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
