"""The sources `arrays` and `idx`: images in .npy, .npz, .h5 and IDX files."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cae.config.data import ArrayData, IdxData, StoredData
from cae.data.dividing import Parts
from cae.data.formats.array_files import ArrayFile, ArrayHeader, open_array_file, read_idx, read_idx_shape
from cae.data.image_set import ArraySet, ImageArray, Progress
from cae.data.part_names import find_labels, read_name
from cae.data.pixels import batch_shape, is_pixel_type, unusual_reading
from cae.data.value_range import TOLERANCE, Pair, ValuesSeen, given_range, range_for, remedy
from cae.errors import RunWarning
from cae.files import file_error, printable

_CHECKED_BYTES = 1 << 26
_NAMED_ARRAYS = 20


def load(section: ArrayData | IdxData, progress: Progress | None = None) -> Parts[ArraySet]:
    """Open the file or files that a section names; validation and test parts are those that it names or has.

    Raises:
        UserError: a file is missing, damaged or truncated, does not hold images, or has values outside [0, 1].
    """
    return _load_idx(section) if isinstance(section, IdxData) else _load_arrays(section)


def _load_arrays(section: ArrayData) -> Parts[ArraySet]:
    """Open array files.

    The test part is, in this order: `test_path`; `test_array`; an array x_test, test_images or the like beside the
    training array; likewise the validation part. Labels are those that belong to the array by name
    (`cae.data.part_names`), or none.
    .npy files stay on disk (memory-mapped), .npz arrays are held in memory, .h5 ones when they are at most 1 GiB.
    """
    file = open_array_file(section.required_path)
    name = _train_name(file, section.array)
    parts = {"train": _load_named(file, name, section)}
    places = {(os.path.realpath(file.path), name)}
    origins: dict[str, str] = {}
    for part in ("validation", "test"):
        if found := _find_part(section, part, file, name):
            part_file, part_name, origins[part] = found
            if (place := (os.path.realpath(part_file.path), part_name)) in places:
                received = f"{part}: {part_name or 'the only one'}"
                raise file_error(file.path, f"two parts of the data must not be the same array. Received: {received}.")
            places.add(place)
            parts[part] = _load_named(part_file, part_name, section)
    notes = [note for part in parts.values() for note in part.notes] + _unused(file, {name for _, name in places})
    if not all(part.train.fingerprints() for part in parts.values()):
        notes.append(
            f"{printable(file.path)}: not looked for: images that are in two parts, since that would take long in HDF5"
            " arrays of more than 1 GiB."
        )
    warnings = [warning for part in parts.values() for warning in part.warnings]
    validation, test = (parts[part].train if part in parts else None for part in ("validation", "test"))
    return replace(parts["train"], validation=validation, test=test, origins=origins, notes=notes, warnings=warnings)


def load_given(section: ArrayData | IdxData, trained_on: Pair | None = None) -> Parts[ArraySet]:
    """Open the array or the IDX file that a section names for a trained model, without a test part.

    Args:
        section: the file, and with `value_range` other than `type` the range of its values.
        trained_on: otherwise the range of the model's own images, as far as it can be meant; see `range_for`.

    Raises:
        UserError: as for `load`.
    """

    def on_range(dtype: np.dtype) -> Any:
        value_range = range_for(dtype, trained_on) if section.value_range == "type" else section.value_range
        return section.model_copy(update={"value_range": value_range or "type"})

    path = section.required_path
    if isinstance(section, IdxData):
        return _load_idx_part(path, on_range(np.dtype(np.uint8)))
    file = open_array_file(path)
    name = _train_name(file, section.array)
    return _load_named(file, name, on_range(file.headers[name].dtype))


def find_shape(section: ArrayData | IdxData) -> tuple[int, int, int]:
    """Find (height, width, channels) of the training images from the file's header."""
    if isinstance(section, IdxData):
        return _idx_shape(section.required_path)[1:]
    file = open_array_file(section.required_path)
    name = _train_name(file, section.array)
    _check_header(file.path, name, file.headers[name], section)
    return batch_shape(file.headers[name].shape)[1:]


def _load_idx(section: IdxData) -> Parts[ArraySet]:
    path = section.required_path
    parts = {"train": _load_idx_part(path, section)}
    given = section.given_parts
    parts |= {part: _load_idx_part(other, section) for part, other in given.items()}
    if len({os.path.realpath(file) for file in (path, *given.values())}) <= len(given):
        raise file_error(path, "training, validation and test images must not be the same file.")
    validation, test = (parts[part].train if part in parts else None for part in ("validation", "test"))
    warnings = [warning for part in parts.values() for warning in part.warnings]
    origins = {part: f"data.{part}_path" for part in given}
    return replace(parts["train"], validation=validation, test=test, origins=origins, warnings=warnings)


def _load_idx_part(path: Path, section: IdxData) -> Parts[ArraySet]:
    array = read_idx(path).reshape(_idx_shape(path))
    warnings = _check_values(path, "", array, section)
    images = ArraySet(array, image_size=section.image_size, channels=section.channels, value_range=given_range(section))
    reading = _unusual(path, "", read_idx_shape(path))
    return Parts(images, reading=reading, notes=[reading] if reading else [], warnings=warnings)


def _idx_shape(path: Path) -> tuple[int, int, int, int]:
    return _read_shape(path, "", read_idx_shape(path))


def _load_named(file: ArrayFile, name: str, section: ArrayData) -> Parts[ArraySet]:
    header = file.headers[name]
    _check_header(file.path, name, header, section)
    labels, note = _load_labels(file, name, batch_shape(header.shape)[0])
    return parts_of_array(file.path, name, file.load(name), labels, section, [note] if note else [])


def parts_of_array(
    path: Path,
    name: str,
    array: ImageArray,
    labels: np.ndarray | None,
    section: StoredData,
    notes: Sequence[str] = (),
) -> Parts[ArraySet]:
    """Take an array as a training part, once its shape, its type and its values are known to be right.

    Raises:
        UserError: they are not; names the file, or what stands for it, and the array.
    """
    header = ArrayHeader(tuple(array.shape), array.dtype)
    _check_header(path, name, header, section)
    if header.shape in (batch_shape(header.shape)[1:3], batch_shape(header.shape)[1:]):  # one image
        array = np.asarray(array[:])[np.newaxis]
    warnings = _check_values(path, name, array, section)
    images = ArraySet(
        array, labels=labels, image_size=section.image_size, channels=section.channels, value_range=given_range(section)
    )
    reading = _unusual(path, name, header.shape)
    return Parts(images, reading=reading, notes=[told for told in (reading, *notes) if told], warnings=warnings)


def _train_name(file: ArrayFile, wanted: str | None) -> str:
    if wanted is not None:
        return _existing(file, wanted, "data.array")
    meanings = {name: read_name(name) for name in file.headers}
    plain = [name for name, meaning in meanings.items() if meaning.form == ("*",) and not meaning.label]
    if found := _named_for(file, "train") or plain:
        return found[0]
    others = [name for name, meaning in meanings.items() if not meaning.label and not meaning.part]
    if len(others) == 1:
        return others[0]
    raise file_error(
        file.path,
        "`data.array` must name the array of images, as none is called x_train, train, train_images, images or the"
        f" like. {_contents(file)}",
    )


def _named_for(file: ArrayFile, part: str) -> list[str]:
    """Names of the arrays for a part, x_train before others."""
    found = [name for name in file.headers if read_name(name).part == part]
    return sorted(found, key=lambda name: not read_name(name).image)


def _find_part(section: ArrayData, part: str, file: ArrayFile, train_name: str) -> tuple[ArrayFile, str, str] | None:
    """Find a part's file and array, and say what it was found by; None where there is none."""
    if (path := section.given_parts.get(part)) is not None:
        other = open_array_file(path)
        return other, next(iter(_named_for(other, part)), None) or _train_name(other, None), f"data.{part}_path"
    key = f"{part}_array"
    if (wanted := getattr(section, key)) is not None:
        return file, _existing(file, wanted, f"data.{key}"), f"array {wanted}"
    taken = (train_name, section.validation_array, section.test_array)
    found = [name for name in _named_for(file, part) if name not in taken]
    return (file, found[0], f"array {found[0]}") if found else None


def _unused(file: ArrayFile, used: Collection[str]) -> list[str]:
    """Name the arrays of images of a file that are in no part."""
    unused = [name for name in file.headers if name not in used and not read_name(name).label]
    unused = [name for name in unused if len(file.headers[name].shape) in (3, 4)]
    return [printable(f"{file.path}: not used: {', '.join(unused[:_NAMED_ARRAYS])}")] if unused else []


def _existing(file: ArrayFile, name: str, key: str) -> str:
    if name not in file.headers:
        raise file_error(file.path, f"`{key}` must name an array in the file. Received: {name}. {_contents(file)}")
    return name


def _contents(file: ArrayFile) -> str:
    described = [f"{name or '(no name)'} {tuple(h.shape)} {h.dtype}" for name, h in file.headers.items()]
    described[_NAMED_ARRAYS:] = [f"and {len(described) - _NAMED_ARRAYS} more"] if len(described) > _NAMED_ARRAYS else []
    return f"The file has: {printable('; '.join(described)) or 'nothing'}."


def _check_header(path: Path, name: str, header: ArrayHeader, section: StoredData) -> None:
    _read_shape(path, name, header.shape)
    if not is_pixel_type(header.dtype, on_a_range=section.value_range != "type"):
        raise file_error(
            path,
            f"{_called(name)}values must be uint8, uint16, bool, or float16, float32 or float64 in [0, 1]. Integers of"
            f" other types need `data.value_range`. Received: {header.dtype}.",
        )


def _read_shape(path: Path, name: str, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    try:
        return batch_shape(shape)
    except ValueError as error:
        raise file_error(path, f"{_called(name)}the shape must be {error}") from error


def _unusual(path: Path, name: str, shape: tuple[int, ...]) -> str:
    reading = unusual_reading(shape)
    return reading and f"{printable(path)}: {_called(name)}{reading}"


def _check_values(path: Path, name: str, array: ImageArray, section: StoredData) -> list[RunWarning]:
    """Look at stored values, a few images at a time: all of them, or until they are seen to use their type.

    Returns:
        What makes them doubtful.

    Raises:
        UserError: values are no numbers, or lie outside [0, 1] without a range.
    """
    warnings: list[RunWarning] = []
    value_range = given_range(section)
    seen = ValuesSeen(printable(f"{path}: {name}" if name else path), value_range, warnings=warnings)
    is_float = array.dtype.kind == "f"
    low, high = np.inf, -np.inf
    step = max(1, _CHECKED_BYTES // (math.prod(array.shape[1:]) * array.dtype.itemsize))
    for start in range(0, array.shape[0], step):
        values = array[start : start + step]
        if is_float:
            _check_finite(path, name, values, start)
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        if section.value_range != "observed":
            seen.note(values)
        if not is_float and value_range is None and (seen.is_bright or section.value_range == "observed"):
            break
    if is_float and section.value_range == "type" and not -TOLERANCE <= low <= high <= 1 + TOLERANCE:
        raise file_error(
            path,
            f"{_called(name)}floating-point images must be in [0, 1] unless `data.value_range` says otherwise."
            f" Received: values from {low:.6g} to {high:.6g}. {remedy(low, high)}",
        )
    return warnings


def _check_finite(path: Path, name: str, values: np.ndarray, first: int) -> None:
    is_bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if is_bad.any():
        position = int(np.argmax(is_bad))
        received = "not-a-number" if np.isnan(values[position]).any() else "infinity"
        raise file_error(
            path, f"{_called(name)}values must be finite numbers. Received: {received} in image {first + position}."
        )


def _called(name: str) -> str:
    return f"{printable(name)}: " if name else ""


def _load_labels(file: ArrayFile, name: str, num_images: int) -> tuple[np.ndarray | None, str]:
    """Load an array's own labels, one integer for each image; says which ones, where the file has any at all."""
    whose = printable(f"{file.path}: {name or 'images'}")
    own = find_labels(name, file.headers)
    for found in own:
        header = file.headers[found]
        if header.dtype.kind in "iu" and tuple(header.shape) in {(num_images,), (num_images, 1)}:
            labels = np.asarray(file.load(found)[:]).reshape(-1).astype(np.int64)
            return labels, f"{whose}: labels are those in {printable(found)}"
    if own:
        shape, dtype = file.headers[own[0]]
        received = f"{printable(own[0])} is {dtype} of shape {tuple(shape)}"
        return None, f"{whose}: no labels, since {received}, not one whole number for each of {num_images:,} images"
    if others := [other for other in file.headers if read_name(other).label]:
        listed = printable(", ".join(others[:_NAMED_ARRAYS]))
        return None, f"{whose}: no labels, since no array of labels has a matching name. The file has: {listed}"
    return None, ""
