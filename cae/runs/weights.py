"""Weights on disk, by the names of the plan's operations: a renamed class or layer makes no run unreadable."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from cae.atomic_files import replacing
from cae.files import file_error, naming, open_regular, printable
from cae.kinds.convolutions import Convolution, Sum, TiedConvolution, TransposedConvolution
from cae.kinds.normalization import Normalization
from cae.kinds.operations import Dense, Operation, Upsample

if TYPE_CHECKING:
    from cae.model import Autoencoder

# Goes up when a reader of this version could not read what is written.
FORMAT = 2


def save_weights(path: Path, autoencoder: Autoencoder, values: Sequence[np.ndarray] | None = None) -> None:
    """Write weights atomically, as HDF5 arrays `encoder/OPERATION/VARIABLE` and `decoder/...`, with a format number.

    Args:
        path: the file, `model.weights.h5` in a run directory.
        autoencoder: whose weights they are.
        values: in the order of `autoencoder.model.weights`; None for the present ones.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    values = autoencoder.model.get_weights() if values is None else values
    # HDF5 itself writes to memory only: when its own write to a disk fails, it crashes the interpreter later.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["format"] = FORMAT
        for name, value in zip(autoencoder.weight_names, values, strict=True):
            file[name] = value
    with replacing(path) as temporary:
        temporary.write_bytes(content.getvalue())


def load_weights(path: Path, autoencoder: Autoencoder) -> None:
    """Read weights into a model; files of version 0.1.0, keyed by Keras' class names, too.

    Arrays are read only where they are those of the model: floats of the right shape, stored plainly in the file
    itself. A file of a few kilobytes can promise terabytes of zeros, links can lead to any file on the machine, and
    nothing else in a file is looked at.

    Args:
        path: the file.
        autoencoder: the model that they are for.

    Raises:
        UserError: the file cannot be read, holds something else, or is of another model or a later version.
    """
    weights = autoencoder.model.weights
    with naming(path), open_regular(path), h5py.File(path, "r") as file:
        names = _stored_names(path, file, autoencoder)
        for name, weight in zip(names, weights, strict=True):
            if problem := _problem(file, name, tuple(weight.shape)):
                raise file_error(
                    path,
                    f"weights must be arrays of numbers in the file itself, of this model's shapes. Received:"
                    f" {printable(name)}, {problem}.",
                )
        values = [file[name][()] for name in names]
    for name, value in zip(names, values, strict=True):
        if not np.isfinite(value).all():
            raise file_error(
                path,
                f"weights must be finite numbers. Received: {printable(name)}, with"
                f" {np.count_nonzero(~np.isfinite(value)):,} of {value.size:,} values infinite or not a number.",
            )
    autoencoder.model.set_weights(values)


def _stored_names(path: Path, file: h5py.File, autoencoder: Autoencoder) -> list[str]:
    """The name in the file of each of the model's weights."""
    version = file.attrs.get("format")
    if version is None:
        old = _NamesOfVersion010(file, autoencoder)
        return [old.names[name] for name in autoencoder.weight_names]
    if version != FORMAT:
        raise file_error(
            path, f"is of format {printable(str(version))}, and this version of the program reads {FORMAT} and older."
        )
    names = autoencoder.weight_names
    found: set[str] = set()
    file.visititems(lambda name, item: found.add(name) if isinstance(item, h5py.Dataset) else None)
    if more := sorted(found.difference(names)):
        raise file_error(path, f"has weights of another model: {printable(', '.join(more[:5]))}.")
    return names


def _find(file: h5py.File, name: str) -> tuple[Any, str | None]:
    """The member of that name, or why there is none; links are not followed."""
    item: Any = file
    for part in name.split("/"):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            return None, "which is missing"
        if type(link) is not h5py.HardLink:
            return None, "which is a link"
        item = item[part]
    return item, None


def _problem(file: h5py.File, name: str, shape: tuple[int, ...]) -> str | None:
    """Say what keeps an array from being read."""
    item, problem = _find(file, name)
    if problem:
        return problem
    if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind != "f":
        return "which has no floating-point numbers"
    if item.shape != shape:
        return f"which has shape {item.shape}, where the model's has {shape}"
    if item.external or item.is_virtual:
        return "whose values lie elsewhere"
    if item.chunks is not None:
        return "which is stored in chunks, as weights never are"
    if item.nbytes > item.id.get_storage_size():
        return "which was never written"
    return None


class _NamesOfVersion010:
    """Where version 0.1.0 put each weight: Keras counted the layers of each class, encoder and decoder apart.

    Args:
        file: of that version.
        autoencoder: whose weights it holds.
    """

    def __init__(self, file: h5py.File, autoencoder: Autoencoder) -> None:
        self.names: dict[str, str] = {}
        plan = autoencoder.plan
        models = {"encoder": (autoencoder.encoder, plan.encoder), "decoder": (autoencoder.decoder, plan.decoder)}
        for number, (part, (model, operations)) in enumerate(models.items()):
            folder = f"layers/functional{f'_{number}' if number else ''}/layers"
            stored = _find(file, folder)[0] or {}
            counts: Counter[str] = Counter()
            for operation, class_name in _with_classes(operations):
                # Before resizing and convolving were one layer, the convolution was a plain one.
                known = class_name if class_name in stored else "conv2d"
                count = counts[known]
                counts[known] += 1
                layer = f"{folder}/{known}{f'_{count}' if count else ''}"
                for index, weight in enumerate(model.get_layer(operation.name).weights):
                    self.names.setdefault(f"{part}/{operation.name}/{weight.name}", f"{layer}/vars/{index}")


def _with_classes(operations: Sequence[Operation]) -> Iterator[tuple[Operation, str]]:
    """Operations with weights, and how version 0.1.0 called the layers that hold them."""
    before: Operation | None = None
    for operation in operations:
        if isinstance(operation, Sum):
            yield from _with_classes(operation.operations)
        elif isinstance(operation, Normalization):
            yield operation, f"{operation.kind}_normalization"
        elif isinstance(operation, Dense):
            yield operation, "dense"
        elif isinstance(operation, TiedConvolution):
            yield operation, "tied_conv2d_transpose"
        elif isinstance(operation, TransposedConvolution):
            yield operation, "conv2d_transpose_to_size"
        elif isinstance(operation, Convolution):
            yield operation, before.convolution_in_version_0_1_0 if isinstance(before, Upsample) else "conv2d"
        before = operation
