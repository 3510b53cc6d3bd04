"""The files of one run's evaluation: results.json, per_image.csv, residual_spectrum.npy, reconstructions.png."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cae.atomic_files import replacing, table_cell, writing_table
from cae.data.formats.array_files import NpyFile
from cae.errors import UserError
from cae.files import PARSING_ERRORS, read_bytes
from cae.measures.catalogue import metrics_of
from cae.pictures import save_png
from cae.runs import checksums

_RESULTS, _PER_IMAGE, _SPECTRUM = "results.json", "per_image.csv", "residual_spectrum.npy"
_PICTURE = "reconstructions.png"
# Rows of a million images, or a spectrum of as many pixels.
_MOST_BYTES = 1 << 28
# What `cae.features` adds later, of the same weights: old ones must not outlive the figures that they belong to.
_ADDED = ("neighbours.png", "interpolation.png", "traversal.png", "projector/projector_config.pbtxt")


@dataclass(frozen=True)
class Evaluation:
    """What is known of a run.

    Args:
        results: the content of results.json.
        per_image: each metric of `cae.measures.catalogue` to float64, (images,), in the split's order.
        spectrum: the residuals' mean power spectrum in dB, (height, width), frequency zero in the middle.
        reconstructions: of all images, float32; not written, and kept only of few images that were measured just now.
    """

    results: dict[str, Any]
    per_image: Mapping[str, np.ndarray]
    spectrum: np.ndarray
    reconstructions: np.ndarray | None = None


def write_evaluation(folder: Path, evaluation: Evaluation, names: Sequence[str], picture: np.ndarray) -> None:
    """Write the files, each atomically; an old results.json goes first and the new one comes last.

    Args:
        folder: made when it is not there.
        evaluation: what was measured.
        names: of the images.
        picture: of reconstructions, (height, width, 3) uint8.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in (_RESULTS, checksums.NAME, *_ADDED):
        (folder / name).unlink(missing_ok=True)
    _write_per_image(folder / _PER_IMAGE, names, evaluation.per_image)
    # Into memory first: NumPy does not notice when the last of a file does not reach the disk.
    content = io.BytesIO()
    np.save(content, evaluation.spectrum)
    with replacing(folder / _SPECTRUM) as temporary:
        temporary.write_bytes(content.getbuffer())
    save_png(picture, folder / _PICTURE)
    # Last, so that results.json is there only once the other files are.
    write_results(folder, evaluation)


def write_results(folder: Path, evaluation: Evaluation) -> None:
    """Write results.json, as the last file of an evaluation or when something was added, and the files' checksums."""
    names = (_PER_IMAGE, _SPECTRUM, _PICTURE, *_ADDED[:-1])
    results = json.loads(json.dumps(evaluation.results))
    sealed = {**results, "seal": _seal(folder, results)}
    checksums.write_last(folder / _RESULTS, sealed, [folder / name for name in names])


def read_evaluation(folder: Path, digest: str, image_shape: tuple[int, int, int]) -> Evaluation | None:
    """Read an evaluation back; None unless it is complete and has this `digest`.

    Args:
        folder: the evaluation's.
        digest: from `digest_evaluation`.
        image_shape: (height, width, channels) of the images.
    """
    try:
        results = json.loads(read_bytes(folder / _RESULTS).decode("utf-8"))
        seal = results.pop("seal")
        if results["digest"] != digest or seal != _seal(folder, results) or not (folder / _PICTURE).is_file():
            return None
        per_image = _read_per_image(folder / _PER_IMAGE, [metric.name for metric in metrics_of(image_shape)])
        spectrum = np.array(NpyFile(folder / _SPECTRUM).load(""))
        is_complete = all(len(values) == results["images"] for values in per_image.values())
    except (*PARSING_ERRORS, AttributeError, csv.Error, UserError):
        return None  # damaged: it is measured again
    return Evaluation(results, per_image, spectrum) if is_complete and spectrum.shape == image_shape[:2] else None


def _seal(folder: Path, results: Mapping[str, Any]) -> str:
    """SHA-256 over what is read back: the results, however they are laid out, and the other files."""
    seal = hashlib.sha256(json.dumps(results, sort_keys=True).encode())
    for name in (_PER_IMAGE, _SPECTRUM):
        seal.update(read_bytes(folder / name, _MOST_BYTES))
    return seal.hexdigest()


def _write_per_image(path: Path, names: Sequence[str], per_image: Mapping[str, np.ndarray]) -> None:
    """One row for each image: its index or file, and its metrics with all their digits."""
    with writing_table(path, ["image", *per_image]) as write_row:
        for name, *values in zip(names, *per_image.values(), strict=True):
            write_row([table_cell(name), *(repr(float(value)) for value in values)])


def _read_per_image(path: Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    rows = list(csv.DictReader(io.StringIO(read_bytes(path, _MOST_BYTES).decode("utf-8"), newline="")))
    return {name: np.array([float(row[name]) for row in rows]) for name in names}
