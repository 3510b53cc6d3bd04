"""The images that a command is given: files, folders, arrays or a part of the run's own data, fitted as in training."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from cae.config.data import ArrayData, IdxData, ImageFolderData, PictureData
from cae.data.dividing import Parts, class_name
from cae.data.formats.image_files import BadImageError, decode, read_header
from cae.data.formats.image_lists import EXTENSIONS, FileList, list_images
from cae.data.image_set import ArraySet
from cae.data.patch_set import pictures_of
from cae.data.pixels import Size, crop, cut_patch, has_colors, stretch, to_channels
from cae.data.sources.arrays import load_given
from cae.data.sources.folder import StoredFiles
from cae.data.value_range import Pair, ValuesSeen, given_range, range_for
from cae.errors import RunWarning, UserError
from cae.files import file_error, printable

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import ImageSet, Splits
    from cae.inference.trained_autoencoder import TrainedAutoencoder


def fit_as_trained(image: np.ndarray, size: Size, section: DataSection) -> np.ndarray:
    """Stretch an image, or cut it to the middle, as `data.fit` says; sources without that key stretch.

    Example:
        >>> from cae.config.data import BundledData
        >>> fit_as_trained(np.zeros((40, 50, 1), np.uint8), (28, 28), BundledData()).shape
        (28, 28, 1)

    Args:
        image: (height, width, channels), uint8 or float32 in [0, 1].
        size: height and width of the result.
        section: the run's `data` section.

    Raises:
        ValueError: the image is smaller than the patches that training saw.
    """
    fit = getattr(section, "fit", "stretch")
    if fit == "patch" and (image.shape[0] < size[0] or image.shape[1] < size[1]):
        raise ValueError(
            f"images must be at least as large as the patches of {size[0]}x{size[1]} pixels that training saw."
            f" Received: {image.shape[0]}x{image.shape[1]}."
        )
    return {"stretch": stretch, "crop": crop, "patch": cut_patch}[fit](image, size)


NAMED_ARRAY_ENDINGS = (".npz", ".h5", ".hdf5")
_ARRAY_ENDINGS = (".npy", *NAMED_ARRAY_ENDINGS)


class Inputs(Protocol):
    """Images with names, and perhaps classes."""

    names: Sequence[str]
    """One for each image: a file relative to the folder that was named, or the image's index as text."""
    notes: Sequence[str]
    """How the images were read, in words."""
    warnings: list[RunWarning]
    """What makes the images doubtful; more is added while they are read."""
    classes: Sequence[str | None] | None
    """The class of each image; None where images have none."""
    is_array: bool
    """Whether the images lie in one array, all of one size."""
    stored: Sized
    """The images as they are stored, for `cae.data.dividing.find_shared`."""

    def read(self, index: int) -> np.ndarray:
        """Read an image: (height, width, channels), uint8, or float32 in [0, 1] where there are more than 8 bits.

        Raises:
            BadImageError: it cannot be read.
        """


class Group(NamedTuple):
    """Images of one size, that go through a network together."""

    indices: list[int]
    pixels: np.ndarray
    """(batch, height, width, channels)"""


_COLORS_LEFT_OUT = (
    "{}, and this model was trained on gray images: it sees them in gray. Where colours matter, train with"
    " data.channels=3."
)


def colors_left_out(what: str) -> RunWarning:
    """Say that a model of gray does not see colours.

    Args:
        what: has colours, in words.
    """
    return RunWarning("colors_left_out", _COLORS_LEFT_OUT.format(what))


class PictureInputs:
    """Image files, read as those of an image folder are: upright, transparent pixels over the background.

    Args:
        files: the files.
        channels: 1 or 3.
        section: the run's `data` section; `background` and `max_pixels` of a source of pictures are kept, and
            `value_range` where it can be meant for the depth of a file.
        value_range: that of the files, instead of the run's.
    """

    is_array = False
    notes: Sequence[str] = ()

    def __init__(self, files: FileList, channels: int, section: DataSection, value_range: Pair | None = None) -> None:
        self.names: Sequence[str] = files.names
        self.classes: Sequence[str | None] | None = files.classes if any(files.classes) else None
        self.left_out: Mapping[str, int] = files.left_out
        """How many files are not read, by kind; they have no place among the names."""
        self.stored: Sized = StoredFiles(files.root, files.names)
        self._paths = files.paths
        self._channels = channels
        self._given_range, self._own_range = value_range, given_range(section)
        self.warnings: list[RunWarning] = []
        self._seen: dict[Pair | None, ValuesSeen] = {}
        self._has_colors = False
        self._section = section if isinstance(section, PictureData) else ImageFolderData()

    def read(self, index: int) -> np.ndarray:
        """Decode a file."""
        path, section = self._paths[index], self._section
        value_range = self._given_range or self._own_range
        if value_range is not None and self._given_range is None:
            is_deep = read_header(path, section.max_pixels).deep
            value_range = range_for(np.dtype(np.uint16 if is_deep else np.uint8), value_range)
        if value_range not in self._seen:
            whose = printable(self.names[0]) + " and the like" * (len(self.names) > 1)
            self._seen[value_range] = ValuesSeen(whose, value_range, warnings=self.warnings)
        pixels = decode(path, section.max_pixels, section.background, value_range, self._seen[value_range].note)
        if self._channels == 1 and not self._has_colors and has_colors(pixels):
            self._has_colors = True
            self.warnings.append(colors_left_out(f"{printable(self.names[index])} has colours, perhaps others too"))
        return to_channels(pixels, self._channels)


class SetInputs:
    """The images of an image set.

    Args:
        images: the set.
        class_names: of its labels, where they have names.
        is_array: whether it lies in an array file.
        whole: whether images are read at their own size, not brought to the model's as in training.
        notes: how the images were read, in words.
        warnings: what makes the images doubtful.
    """

    def __init__(
        self,
        images: ImageSet,
        class_names: Sequence[str] = (),
        *,
        is_array: bool = False,
        whole: bool = False,
        notes: Sequence[str] = (),
        warnings: list[RunWarning] | None = None,
    ) -> None:
        self.names: Sequence[str] = images.names
        labels = images.labels
        self.classes: Sequence[str | None] | None = (
            None if labels is None else [class_name(int(label), class_names) for label in labels]
        )
        self.is_array = is_array
        self.notes = notes
        self.warnings = [] if warnings is None else warnings
        self.stored: Sized = pictures_of(images)
        self._images = images
        self._whole = whole

    def read(self, index: int) -> np.ndarray:
        """Read an image."""
        if self._whole:
            return self._images.read_whole(index)
        try:
            pixels: np.ndarray = self._images.read(np.array([index]))[0]
        except UserError as error:
            raise BadImageError(str(error)) from error
        return pixels


class AsTrained:
    """Images that are brought to the model's size as the run's own were.

    Args:
        inputs: the images.
        size: the model's height and width.
        section: the run's `data` section.
    """

    def __init__(self, inputs: Inputs, size: Size, section: DataSection) -> None:
        self.names, self.classes, self.is_array = inputs.names, inputs.classes, inputs.is_array
        self.notes, self.warnings, self.stored = inputs.notes, inputs.warnings, inputs.stored
        self._inputs, self._size, self._section = inputs, size, section

    def read(self, index: int) -> np.ndarray:
        """Read an image, and stretch it or cut it to the middle."""
        try:
            return fit_as_trained(self._inputs.read(index), self._size, self._section)
        except ValueError as error:
            raise BadImageError(str(error)) from error


def open_inputs(
    path: Path, section: DataSection, channels: int, array: str | None = None, value_range: Pair | None = None
) -> Inputs:
    """Find the images that a path leads to; image files are only listed.

    Args:
        path: an image file, a folder with images at any depth, a .npy, .npz, .h5 or IDX file.
        section: the run's `data` section, for the way in which pictures are read.
        channels: 1 or 3, what the model takes.
        array: name of an array inside an .npz or .h5 file.
        value_range: the values that are black and white; None for the run's own as far as they can be meant.

    Raises:
        UserError: there is nothing, or nothing that can be images.
    """
    if not path.exists():
        raise file_error(path, "there is no such file or folder.")
    if path.is_dir():
        return PictureInputs(list_images(path), channels, section, value_range)
    ending = path.suffix.lower()
    if ending in EXTENSIONS:
        return PictureInputs(FileList(path.parent, [path.name]), channels, section, value_range)
    taken: dict[str, Any] = {"path": os.path.abspath(path), "channels": channels, "value_range": value_range or "type"}
    parts = _open_array(ending, taken, array, given_range(section))
    gray = [colors_left_out(f"{printable(path)} has images with colours")] if parts.train.loses_colors else []
    return SetInputs(parts.train, is_array=True, notes=parts.notes, warnings=[*parts.warnings, *gray])


def open_part(
    model: TrainedAutoencoder, splits: Splits, part: str, *, whole: bool = False, most: int | None = None
) -> SetInputs:
    """Open a part of the run's own data.

    Args:
        model: the run's.
        splits: the run's data.
        part: `train`, `validation` or `test`.
        whole: at their own size, as images that are given are; not brought to the model's.
        most: how many images at most, all over the part.

    Raises:
        UserError: the data are not what the run was trained on.
    """
    if splits.image_shape != model.image_shape:
        raise UserError(
            f"{model._directory.path}: was trained on images of shape {model.image_shape}, and its data now have"
            f" {splits.image_shape} (height, width, channels)."
        )
    images: ImageSet = getattr(splits, part)
    images = pictures_of(images) if whole else images
    if most is not None and len(images) > most:
        images = images.take(np.linspace(0, len(images) - 1, most).astype(np.int64))
    return SetInputs(images, splits.class_names, whole=whole, warnings=splits.warnings)


def in_options(text: str) -> str:
    """Say a message about keys of a configuration with the options that take their place for INPUT.

    >>> in_options("Set data.value_range: [0, 4095].")
    'Give --value-range 0 4095.'
    """
    pattern = r"Set data\.value_range: \[([^ ,]+), ([^ ,]+)\](?:, or observed)?"
    text = re.sub(pattern, r"Give --value-range \1 \2", text)
    return text.replace("`data.array`", "--array").replace("`data.value_range`", "--value-range")


def read_groups(
    inputs: Inputs, batch_size: Callable[[tuple[int, int]], int], on_bad: Callable[[str, str], None]
) -> Iterator[Group]:
    """Read all images in their order; neighbours of one size come together.

    Args:
        inputs: the images.
        batch_size: from (height, width) to how many may come together.
        on_bad: is given the name of each image that cannot be read, and the reason.
    """
    indices: list[int] = []
    waiting: list[np.ndarray] = []
    for index, name in enumerate(inputs.names):
        try:
            pixels = inputs.read(index)
        except BadImageError as error:
            on_bad(name, str(error))
            continue
        is_other = bool(waiting) and (pixels.shape, pixels.dtype) != (waiting[0].shape, waiting[0].dtype)
        if is_other or len(waiting) >= batch_size(pixels.shape[:2]):
            yield Group(indices, np.stack(waiting))
            indices, waiting = [], []
        indices.append(index)
        waiting.append(pixels)
    if waiting:
        yield Group(indices, np.stack(waiting))


def _open_array(ending: str, keys: dict[str, Any], array: str | None, trained_on: Pair | None) -> Parts[ArraySet]:
    is_idx = ending not in _ARRAY_ENDINGS
    try:
        return load_given(IdxData(**keys) if is_idx else ArrayData(**keys, array=array), trained_on)
    except UserError as error:
        endings = ", ".join((*EXTENSIONS, *_ARRAY_ENDINGS))
        taken = f" (Taken for an IDX file, since its name does not end in {endings}.)" if is_idx else ""
        raise UserError(in_options(str(error)) + taken) from error
