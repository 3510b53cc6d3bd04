"""Classes of images that stand in a file of their own."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cae.atomic_files import table_cell
from cae.data.formats.array_files import NpyFile
from cae.data.formats.idx_files import read_idx
from cae.errors import UserError
from cae.files import file_error, naming, printable, read_bytes, why

# A million lines.
_TABLE_BYTES = 1 << 28


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
        labels = NpyFile(path).load("") if path.suffix.lower() == ".npy" else read_idx(path)
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(names),), (len(names), 1)):
        raise file_error(
            path,
            f"there must be a whole number for each of the {len(names)} images. Received: {labels.dtype} of shape"
            f" {labels.shape}.",
        )
    return [str(label) for label in labels.reshape(-1)]


def _from_table(path: Path, names: Sequence[str]) -> list[str]:
    text = read_bytes(path, _TABLE_BYTES).decode("utf-8-sig", errors="surrogateescape")
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise file_error(path, f"the first line must name the columns file and label. Received: {rows.fieldnames}.")
        found = {row["file"]: row["label"] for row in rows}
    except csv.Error as error:
        raise file_error(path, f"cannot be read: {why(error)}") from error
    # As `scores.csv` has them, or as they are.
    labels = [found.get(table_cell(name)) or found.get(printable(name)) or found.get(name) for name in names]
    missing = [name for name, label in zip(names, labels, strict=True) if not label]
    if missing:
        raise _missing_error(path, missing, len(names))
    return [label.removeprefix("'") if label == table_cell(label[1:]) else label for label in labels if label]


def _missing_error(path: Path, missing: Sequence[str], total: int) -> UserError:
    shown = ", ".join(map(printable, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return file_error(
        path, f"there must be a label for each image. Received none for {len(missing)} of {total}: {shown}."
    )
