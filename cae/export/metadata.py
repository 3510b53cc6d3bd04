"""What is written into an export: how to call it, and which run it comes from."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

import cae
from cae.config.data import PATH_KEYS
from cae.export.parts import Part

if TYPE_CHECKING:
    from cae.config import RunConfig

FILE_NAME = "cae.json"


def make_metadata(part: Part, config: RunConfig, weights_digest: str, *, quantize: bool) -> dict[str, Any]:
    """Describe an export.

    Args:
        part: what is exported.
        config: the run's.
        weights_digest: SHA-256 of the run's weights file.
        quantize: whether weights are 8-bit.
    """
    told = config.model_dump(mode="json")
    for key in PATH_KEYS:  # folders of this machine are nobody else's business
        told["data"].pop(key, None)
    return {
        "cae": cae.__version__,
        "part": part.name,
        "quantized": quantize,
        "image_range": [0.0, 1.0],
        "value_range": told["data"].get("value_range", "type"),
        "inputs": part.describe_inputs(),
        "outputs": part.describe_outputs(),
        "weights_sha256": weights_digest,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "config": told,
    }


def to_json(metadata: dict[str, Any]) -> str:
    """The form in which it lies in an export."""
    return json.dumps(metadata, indent=1)


def add_to_archive(path: Path, metadata: dict[str, Any]) -> None:
    """Add it to a ZIP archive, or put an archive behind a file that its readers know the end of.

    The latter is how LiteRT files carry associated files; `unzip -p model.tflite cae.json` shows it.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FILE_NAME, to_json(metadata))
