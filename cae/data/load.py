"""From a `data` section to the three parts of a data set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cae.config.data import DataSection, PictureData, StoredData
from cae.data.decoded_set import DecodedSet
from cae.data.dividing import Parts, divide, keep_classes
from cae.data.image_set import ArraySet, Progress, Splits
from cae.data.patch_set import PatchSet, pictures_of
from cae.data.sources import source_of
from cae.data.value_range import given_range
from cae.errors import UserError
from cae.files import printable


def load_splits(section: DataSection, progress: Progress | None = None) -> Splits:
    """Open a section's images and divide them into training, validation and test parts.

    A part that the source brings itself is used as it is. The others are held out: first the test part, then the
    validation part from what is left for training, both by a choice that depends on the number of images alone. No
    image is in two parts.

    >>> from cae.config.data import BundledData
    >>> splits = load_splits(BundledData())
    >>> len(splits.train), len(splits.validation), len(splits.test), splits.image_shape
    (4500, 500, 1000, (28, 28, 1))

    Args:
        section: the `data` section, with absolute paths.
        progress: called now and then while image files are scanned, with the number done and the number of all.

    Raises:
        UserError: the data are missing, damaged, of the wrong kind, or too few.
    """
    if isinstance(section, StoredData) and section.value_range == "observed":
        section = section.model_copy(update={"value_range": _observe(section, progress)})
    splits = replace(_divide(section, progress), value_range=given_range(section))
    if not isinstance(section, PictureData) or section.patches == 1:
        return splits
    numbers = ", ".join(f"{name} {number:,}" for name, number in splits.numbers.items())
    train, validation, test = (
        PatchSet(part, section.patches)  # type: ignore[arg-type]  # pictures are decoded
        for part in (splits.train, splits.validation, splits.test)
    )
    note = f"each picture gives {section.patches:,} patches; pictures: {numbers}."
    return replace(splits, train=train, validation=validation, test=test, notes=[*splits.notes, note])


def look_at_values(splits: Splits) -> None:
    """Decode a few pictures of each part: nearly black ones and lost colours are then known before training."""
    for part in map(pictures_of, (splits.train, splits.validation, splits.test)):
        if isinstance(part, DecodedSet):
            part.look()


def loses_colors(splits: Splits) -> bool:
    """Whether images with colours are read in gray, as far as images were looked at."""
    parts = map(pictures_of, (splits.train, splits.validation, splits.test))
    return any(part.loses_colors for part in parts if isinstance(part, ArraySet | DecodedSet))


def _divide(section: DataSection, progress: Progress | None) -> Splits:
    parts: Parts[Any] = source_of(section).load(section, progress)
    splits = divide(parts, section.validation_fraction, section.test_fraction)
    splits = replace(splits, notes=[*splits.notes, *_without_effect(section, parts)])
    return splits if section.classes is None else keep_classes(splits, section.classes)


def _observe(section: DataSection, progress: Progress | None) -> tuple[float, float]:
    """Find the lowest and the highest stored value of the training part; the other parts are not looked at."""
    images = _divide(section, progress).train
    assert isinstance(images, ArraySet | DecodedSet)  # what sources of stored images come to
    low, high = images.observe()
    if not low < high:
        raise UserError(
            f"{printable(section.path or '')}: `data.value_range: observed` needs training images with different"
            f" values. Received: {low:.6g} only."
        )
    return low, high


def _without_effect(section: DataSection, parts: Parts[Any]) -> list[str]:
    """Say which shares that were asked for are not held out, since the source has these parts itself."""
    return [
        f"data.{part}_fraction has no effect: the {part} part is there ({parts.origins.get(part, part)})."
        for part in ("validation", "test")
        if getattr(parts, part) is not None
        and getattr(section, f"{part}_fraction") != type(section).model_fields[f"{part}_fraction"].default
    ]
