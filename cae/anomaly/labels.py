"""Classes of images that stand in a file of their own."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cae.data.file_errors import file_error, naming, printable
from cae.data.idx import read_idx
from cae.errors import UserError


def read_classes(path: Path, names: Sequence[str]) -> list[str]:
    """Read the class of each image.

    A .csv file has a line `file,label` and then one for each image, in any order: the image's name as `scores.csv`
    gives it, and its class. A .npy or IDX file has one whole number for each image, in their order.

    Args:
        path: the file.
        names: of the images.

    Raises:
        UserError: the file is damaged, or an image has no class.
    """
    if path.suffix.lower() == ".csv":
        return _from_table(path, names)
    with naming(path):
        labels = np.load(path, allow_pickle=False) if path.suffix.lower() == ".npy" else read_idx(path)
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(names),), (len(names), 1)):
        raise file_error(
            path,
            f"there must be a whole number for each of the {len(names)} images. Received: {labels.dtype} of shape"
            f" {labels.shape}.",
        )
    return [str(label) for label in labels.reshape(-1)]


def _from_table(path: Path, names: Sequence[str]) -> list[str]:
    with naming(path), open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise file_error(path, f"the first line must name the columns file and label. Received: {rows.fieldnames}.")
        found = {row["file"]: row["label"] for row in rows}
    missing = [name for name in names if not found.get(printable(name))]
    if missing:
        raise _missing_error(path, missing, len(names))
    return [found[printable(name)] for name in names]


def _missing_error(path: Path, missing: Sequence[str], total: int) -> UserError:
    shown = ", ".join(map(printable, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return file_error(
        path, f"there must be a label for each image. Received none for {len(missing)} of {total}: {shown}."
    )
