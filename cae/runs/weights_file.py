"""A look at a weights file before anything in it is read: it may come from a stranger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py

from cae.data.file_errors import file_error, naming, printable


def check_weights_file(path: Path, largest: int) -> None:
    """Refuse a weights file with anything but arrays of numbers that lie in it, none larger than the model's largest.

    A file of a few kilobytes can promise terabytes of zeros, and Keras reads an array before it compares shapes. Links,
    values in other files, references and objects have no place among weights.

    Args:
        path: The .h5 file.
        largest: How many numbers the model's largest weight has.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    with naming(path), h5py.File(path, "r") as file:
        if problem := _problem(file, largest):
            raise file_error(path, f"weights must be arrays of numbers in the file itself. Received: {problem}.")


def _problem(group: Any, largest: int) -> str | None:
    """Find what has no place among weights."""
    seen = {group}  # the same object under another name is equal
    waiting = [group]
    while waiting:
        for name, item in _members(waiting.pop()):
            if item is None:
                return f"{name}, which is a link"
            if isinstance(item, h5py.Group):
                if item in seen:
                    return f"{name}, which contains itself"
                seen.add(item)
                waiting.append(item)
            elif problem := _array_problem(item, largest):
                return f"{name}, {problem}"
    return None


def _members(group: Any) -> list[tuple[str, Any]]:
    """Names and members of a group, None for a member that lies elsewhere."""
    return [
        (printable(f"{group.name}/{key}"), group[key] if type(group.get(key, getlink=True)) is h5py.HardLink else None)
        for key in group
    ]


def _array_problem(item: Any, largest: int) -> str | None:
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind not in "biuf":
        return "which has no numbers"
    if item.external or item.is_virtual:
        return "whose values lie elsewhere"
    if item.size > largest:
        return f"an array of {item.size} numbers, where the model's largest has {largest}"
    return None
