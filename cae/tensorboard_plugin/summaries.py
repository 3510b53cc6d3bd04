"""What training writes and the tab reads: its form is known here and nowhere else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError
from tensorboard.compat.proto import summary_pb2
from tensorboard.util import tensor_util

from cae.files import printable
from cae.tensorboard_plugin.sheets import encode_sheet, sheet_columns

PLUGIN_NAME = "cae"
INPUTS_TAG = "probes/inputs"
PICTURES_TAG = "probes/reconstructions"
FIGURES_TAG = "probes/figures"
# Rows of the tensor of figures.
FIGURES = ("psnr", "ssim", "mse")
Side = Annotated[int, Field(ge=1, le=2**16)]


@dataclass(frozen=True)
class Probes:
    """What is known of a run's probe images; stands in the metadata of their tag, so that listing runs tells it.

    Args:
        digest: of names and pixels, corrupted ones included; runs can be compared where it is the same.
        names: of the images.
        height: in pixels.
        width: in pixels.
        channels: 1 or 3.
        columns: images in a row of a sheet.
        corruption: kind of what was done to the inputs; empty where nothing was.
    """

    digest: str
    names: tuple[str, ...]
    height: Side
    width: Side
    channels: Literal[1, 3]
    columns: Side
    corruption: str = ""

    @classmethod
    def from_json(cls, content: bytes) -> Probes:
        """Read it back.

        Raises:
            ValueError: it is something else.
        """
        try:
            return TypeAdapter(cls).validate_json(content, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ValueError(f"not a description of probe images: {place or 'text'}: {first['msg']}") from error


def inputs_summary(
    images: np.ndarray, names: Sequence[str], corrupted: np.ndarray | None = None, corruption: str = ""
) -> summary_pb2.Summary:
    """Make the summary of the probe images; written once in each run.

    Example:
        >>> summary = inputs_summary(np.zeros((2, 8, 8, 1)), ["a.png", "b.png"])
        >>> Probes.from_json(summary.value[0].metadata.plugin_data.content).names
        ('a.png', 'b.png')

    Args:
        images: pixels in [0, 1], (images, height, width, 1 or 3).
        names: one for each.
        corrupted: what the model was given in their place, the same shape; None where it was given them.
        corruption: its kind; does not matter without `corrupted`.
    """
    number, height, width, channels = images.shape
    sheets = [encode_sheet(images)] if corrupted is None else [encode_sheet(images), encode_sheet(corrupted)]
    shown = tuple(printable(name) for name in names)
    digest = hashlib.sha256(json.dumps([shown, images.shape]).encode() + b"".join(sheets)).hexdigest()[:16]
    probes = Probes(
        digest, shown, height, width, channels, sheet_columns(number), "" if corrupted is None else corruption
    )
    return _blobs(INPUTS_TAG, sheets, json.dumps(asdict(probes)))


def pictures_summary(reconstructions: np.ndarray) -> summary_pb2.Summary:
    """Make the summary of a step's reconstructions, (images, height, width, 1 or 3) in [0, 1]."""
    return _blobs(PICTURES_TAG, [encode_sheet(reconstructions)], "")


def figures_summary(figures: Mapping[str, np.ndarray]) -> summary_pb2.Summary:
    """Make the summary of a step's figures.

    Example:
        >>> summary = figures_summary({name: np.array([1.0, 2.0]) for name in FIGURES})
        >>> tensor_util.make_ndarray(summary.value[0].tensor).shape
        (3, 2)

    Args:
        figures: each of `FIGURES`, and perhaps others, which are left out, to one number an image.
    """
    values = np.stack([np.asarray(figures[name], np.float32) for name in FIGURES])  # [figures, images]
    summary = summary_pb2.Summary()
    metadata = _metadata(summary_pb2.DATA_CLASS_TENSOR, json.dumps(FIGURES))
    summary.value.add(tag=FIGURES_TAG, metadata=metadata, tensor=tensor_util.make_tensor_proto(values))
    return summary


def _blobs(tag: str, blobs: Sequence[bytes], content: str) -> summary_pb2.Summary:
    summary = summary_pb2.Summary()
    metadata = _metadata(summary_pb2.DATA_CLASS_BLOB_SEQUENCE, content)
    tensor = tensor_util.make_tensor_proto(list(blobs), shape=[len(blobs)])
    summary.value.add(tag=tag, metadata=metadata, tensor=tensor)
    return summary


def _metadata(data_class: int, content: str) -> summary_pb2.SummaryMetadata:
    # Without the class of its data, TensorBoard's loaders would not know how to hand out a plugin's tags.
    return summary_pb2.SummaryMetadata(
        plugin_data=summary_pb2.SummaryMetadata.PluginData(plugin_name=PLUGIN_NAME, content=content.encode()),
        data_class=data_class,
    )
