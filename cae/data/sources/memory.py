"""The source `memory`: images that a Python program hands over, known by their digest; and functions that give some."""

from __future__ import annotations

import hashlib
import math
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cae.config.data import GivenImages, MemoryData, OwnData
from cae.config.registration import call_part
from cae.data.dividing import Parts
from cae.data.image_set import ArraySet, Progress
from cae.data.pixels import batch_shape
from cae.data.sources.arrays import parts_of_array
from cae.errors import UserError

PARTS = {"train": "images", "validation": "validation_images", "test": "test_images"}
"""Each part with the key of the section, which is the argument in Python, too."""

# What the newest trainings need: later commands of the same program find it here.
_MOST_KEPT = 12
_kept: OrderedDict[GivenImages, tuple[np.ndarray, np.ndarray | None]] = OrderedDict()


def keep(name: str, given: Any, labels: Any = None) -> GivenImages:
    """Take images from a program, and keep them for the source `memory`.

    Example:
        >>> keep("images", np.zeros((5, 8, 8), np.uint8), labels=[0, 1, 0, 1, 2]).shape
        (5, 8, 8)

    Args:
        name: of the argument, for messages.
        given: an array of images, (images, labels), a `tf.data.Dataset` or a `keras.utils.PyDataset`. The two last
            are read once, to their end; their elements are images or batches of them, alone or with labels.
        labels: one integer for each image.

    Returns:
        What a configuration knows of them.

    Raises:
        UserError: they are no images of one shape, or have no end, or labels are not one integer for each.
    """
    array, found = read_given(name, given)
    try:
        batch_shape(array.shape)
    except ValueError as error:
        raise UserError(f"{name}: the shape must be {error}") from error
    labels = _checked_labels(name, array, found if labels is None else labels)
    section = GivenImages(
        shape=array.shape,
        dtype=str(array.dtype),
        sha256=_digest(array),
        labels_sha256=None if labels is None else _digest(labels),
    )
    _kept[section] = array, labels
    _kept.move_to_end(section)
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)
    return section


def read_given(name: str, given: Any) -> tuple[np.ndarray, Any]:
    """Images as an array, and labels where they come with them; see `keep`."""
    labels = None
    if isinstance(given, tuple) and len(given) == 2 and np.ndim(given[1]) == 1 and np.ndim(given[0]) != 1:
        given, labels = given
    batches = _batches(name, given)
    if batches is not None:
        return _read(name, batches)
    try:
        array = given if isinstance(given, np.ndarray) else np.asarray(given)
    except ValueError as error:
        raise UserError(f"`{name}` must be images of one shape: {error}") from error
    if array.dtype.kind in "OUS":
        raise UserError(f"`{name}` must be an array of numbers, or a data set. Received: {type(given).__name__}.")
    return array, labels


def load(section: MemoryData | OwnData, progress: Progress | None = None) -> Parts[ArraySet]:
    """Find the images that a section means among those that were handed over.

    Raises:
        UserError: they were not, have been changed since, or are no images.
    """
    if isinstance(section, OwnData):
        found = _read_own(section)
    else:
        given = {part: getattr(section, name) for part, name in PARTS.items()}
        found = {part: _find(PARTS[part], one) for part, one in given.items() if one is not None}
    parts = {part: _as_part(PARTS[part], array, labels, section) for part, (array, labels) in found.items()}
    validation, test = (parts[part].train if part in parts else None for part in ("validation", "test"))
    return replace(
        parts["train"],
        validation=validation,
        test=test,
        origins={part: PARTS[part] for part in parts if part != "train"},
        notes=[note for part in parts.values() for note in part.notes],
        warnings=[warning for part in parts.values() for warning in part.warnings],
    )


def _as_part(name: str, array: np.ndarray, labels: np.ndarray | None, section: MemoryData | OwnData) -> Parts[ArraySet]:
    """Take an array as a part; an error names the argument, and no file."""
    try:
        return parts_of_array(Path(name), "", array, labels, section)
    except UserError as error:
        raise UserError(str(error).replace(os.path.abspath(name), f"`{name}`")) from error


def find_shape(section: MemoryData | OwnData) -> tuple[int, int, int]:
    """Find (height, width, channels) of the training images; they themselves are not needed."""
    shape = _read_own(section)["train"][0].shape if isinstance(section, OwnData) else section.required_images.shape
    try:
        return batch_shape(shape)[1:]
    except ValueError as error:
        raise UserError(f"images: the shape must be {error}") from error


def _read_own(section: OwnData) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """What a registered function gives, by part."""
    path = None if section.path is None else Path(section.path)
    given = call_part("data.source", type(section).part, path, **section.options)
    parts = given if isinstance(given, Mapping) else {"train": given}
    if "train" not in parts or not set(parts) <= set(PARTS):
        raise UserError(f"data.source {section.source}: must give train, and may give validation and test images.")
    read = {part: read_given(PARTS[part], one) for part, one in parts.items()}
    return {part: (array, _checked_labels(PARTS[part], array, labels)) for part, (array, labels) in read.items()}


def _find(name: str, given: GivenImages) -> tuple[np.ndarray, np.ndarray | None]:
    what = f"{given.dtype} of shape {given.shape} with SHA-256 {given.sha256[:12]}..."
    if given not in _kept:
        raise UserError(
            f"`{name}` were handed over by a Python program, and lie in no file: {what} Give the same ones again, in"
            f" the same order: cae.train(..., {name}=...) or cae.evaluate(run, {name}=...)."
        )
    array, labels = _kept[given]
    if _digest(array) != given.sha256:
        raise UserError(f"`{name}` have been changed since they were handed over; they were {what}")
    return array, labels


def _digest(array: np.ndarray) -> str:
    """SHA-256 of the values in C order, a few images at a time."""
    digest = hashlib.sha256()
    step = max(1, (1 << 26) // max(1, math.prod(array.shape[1:]) * array.dtype.itemsize))
    for first in range(0, len(array) if array.ndim else 0, step):
        digest.update(np.ascontiguousarray(array[first : first + step]).data)
    return digest.hexdigest()


def _checked_labels(name: str, array: np.ndarray, labels: Any) -> np.ndarray | None:
    if labels is None:
        return None
    labels = np.asarray(labels)
    number = batch_shape(array.shape)[0]
    if labels.dtype.kind not in "iub" or labels.size != number:
        raise UserError(
            f"labels of `{name}` must be one integer for each of {number:,} images. Received: {labels.dtype} of shape"
            f" {labels.shape}."
        )
    return labels.reshape(-1).astype(np.int64)


def _batches(name: str, given: Any) -> Iterable[Any] | None:
    """The elements of a data set of TensorFlow or Keras; None of what is none."""
    if hasattr(given, "as_numpy_iterator"):
        if int(given.cardinality()) == -1:
            raise UserError(f"`{name}`: the data set has no end; give it as it is before `.repeat()`.")
        iterator: Iterator[Any] = given.as_numpy_iterator()
        return iterator
    if hasattr(given, "num_batches") and hasattr(given, "on_epoch_end"):
        if given.num_batches is None:
            raise UserError(f"`{name}`: the data set has no end; its __len__ must give the number of its batches.")
        return (given[number] for number in range(given.num_batches))
    return None


def _read(name: str, batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray | None]:
    """Read images, and labels where each image has one."""
    images, labels = [], []
    for element in batches:
        pixels, label = _pixels_and_label(name, element)
        try:
            images.append(np.reshape(pixels, batch_shape(np.shape(pixels))))
        except ValueError as error:
            raise UserError(f"`{name}`: an element of the data set must have shape {error}") from error
        label = None if label is None else np.asarray(label)
        if label is not None and label.dtype.kind in "iu" and label.size == len(images[-1]):
            labels.append(label.reshape(-1))
    if not images:
        raise UserError(f"`{name}`: the data set is empty.")
    if len({one.shape[1:] for one in images}) > 1:
        shapes = ", ".join(map(str, sorted({one.shape[1:] for one in images})[:5]))
        raise UserError(f"`{name}` must be images of one shape. Received: {shapes}.")
    return np.concatenate(images), np.concatenate(labels) if len(labels) == len(images) else None


def _pixels_and_label(name: str, element: Any) -> tuple[Any, Any]:
    if isinstance(element, Mapping):
        pixels, label = (next((element[key] for key in keys if key in element), None) for keys in _KEYS)
        if pixels is None:
            raise UserError(
                f"`{name}`: the data set's dictionaries must have the images under `image` or `images`. Received:"
                f" {', '.join(map(str, element))}."
            )
        return pixels, label
    if isinstance(element, tuple | list):
        return element[0], element[1] if len(element) > 1 else None
    return element, None


_KEYS = (("image", "images"), ("label", "labels"))
