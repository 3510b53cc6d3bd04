"""Some classes only: what `data.classes` leaves of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cae.data.file_errors import printable
from cae.data.image_set import ImageSet, Splits
from cae.errors import UserError


def keep_classes(splits: Splits, wanted: Sequence[int | str]) -> Splits:
    """Keep the images of some classes in every part.

    Parts were divided before, so which part an image belongs to does not depend on the classes that are kept: what
    another choice of classes finds in the test part was not trained on. Labels stay the numbers that they were.

    Args:
        splits: Whose sources have classes.
        wanted: Names of class folders, or labels.

    Raises:
        UserError: The images have no classes, a class does not exist, or a part has no image of them.
    """
    numbers = [_number(label, splits) for label in wanted]
    return replace(
        splits,
        train=_keep(splits.train, "training", numbers, splits),
        validation=_keep(splits.validation, "validation", numbers, splits),
        test=_keep(splits.test, "test", numbers, splits),
    )


def class_name(label: int, class_names: Sequence[str]) -> str:
    """The name of a class: its folder's, or its number where classes have no names.

    >>> class_name(1, ["cat", "dog"]), class_name(7, [])
    ('dog', '7')
    """
    return class_names[label] if 0 <= label < len(class_names) else str(label)


def _keep(images: ImageSet, part: str, numbers: Sequence[int], splits: Splits) -> ImageSet:
    if images.labels is None:
        raise UserError(f"`data.classes` needs images with labels, and those of the {part} part have none.")
    rows = np.flatnonzero(np.isin(images.labels, numbers))
    if not len(rows):
        raise UserError(
            f"`data.classes` must leave an image in every part. Received: classes of which the {len(images)} images of"
            f" the {part} part have none. {_existing(splits)}"
        )
    return images.take(rows)


def _number(wanted: int | str, splits: Splits) -> int:
    # A folder may be called `3`, and YAML gives that as a number.
    if str(wanted) in splits.class_names:
        return splits.class_names.index(str(wanted))
    if splits.class_names or not isinstance(wanted, int):
        raise UserError(f"`data.classes` must name classes of the data. Received: {wanted}. {_existing(splits)}")
    return wanted


def _existing(splits: Splits) -> str:
    labels = () if splits.train.labels is None else np.unique(splits.train.labels)
    names = splits.class_names or [str(label) for label in labels]
    shown = printable(", ".join(names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    return f"The data have: {shown or 'none'}."
