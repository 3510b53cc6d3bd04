"""What training writes for TensorBoard and the tab reads, curves and probe images: its form is known only here."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from PIL import Image
from pydantic import Field, TypeAdapter, ValidationError
from tensorboard.compat.proto import summary_pb2
from tensorboard.util import tensor_util

from cae.files import printable
from cae.pictures import LARGEST_ERROR, image_colors, scale_colors

# Too dark is blue, too bright is red, and light gray in the middle is right.
_SIGNED = (
    (11, 50, 120),
    (67, 130, 190),
    (160, 200, 225),
    (242, 242, 242),
    (246, 180, 150),
    (214, 96, 77),
    (120, 10, 40),
)
# What rounding to 8 bits leaves, and what a picture's mean brightness reaches.
_SPECTRUM_DB = (-60.0, 20.0)
_STEPS = 256


def color_scales() -> dict[str, dict[str, Any]]:
    """Each scale's name to its ends, its unit and 256 colours.

    Example:
        >>> scale = color_scales()["signed"]
        >>> scale["low"], scale["high"], scale["colors"][0]
        (-0.25, 0.25, [11, 50, 120])
    """
    shares = np.linspace(0.0, 1.0, _STEPS)
    errors = scale_colors(shares).tolist()
    low, high = _SPECTRUM_DB
    return {
        "signed": {"low": -LARGEST_ERROR, "high": LARGEST_ERROR, "unit": "", "colors": _signed_colors(shares)},
        "absolute": {"low": 0.0, "high": LARGEST_ERROR, "unit": "", "colors": errors},
        "spectrum": {"low": low, "high": high, "unit": "dB", "colors": errors},
    }


def _signed_colors(shares: np.ndarray) -> list[list[int]]:
    places = np.linspace(0.0, 1.0, len(_SIGNED))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_SIGNED)]
    return (np.stack(channels, axis=-1) + 0.5).astype(int).tolist()


def sheet_columns(number: int) -> int:
    """How many images stand in each row of a sheet.

    >>> sheet_columns(1), sheet_columns(16), sheet_columns(17)
    (1, 4, 5)
    """
    return math.ceil(math.sqrt(number))


def encode_sheet(images: np.ndarray) -> bytes:
    """Put images on a sheet, row by row, without loss, except for rounding to 8 bits.

    Example:
        >>> sheet = Image.open(io.BytesIO(encode_sheet(np.ones((5, 2, 4, 1)))))
        >>> sheet.size, sheet.mode, sheet.getpixel((11, 1)), sheet.getpixel((11, 3))
        ((12, 4), 'L', 255, 0)

    Args:
        images: pixels in [0, 1], (images, height, width, 1 or 3); values outside are clipped, NaN is black.

    Returns:
        A PNG file; places without an image are black.
    """
    number, height, width, channels = images.shape
    columns = sheet_columns(number)
    rows = math.ceil(number / columns)
    places = np.zeros((rows * columns, height, width, channels), np.uint8)
    places[:number] = image_colors(images)[..., :channels]
    sheet = places.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    pixels = sheet.reshape(rows * height, columns * width, channels)
    encoded = io.BytesIO()
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(encoded, format="PNG")
    return encoded.getvalue()


# TensorBoard sorts tags by name, and opens the first two groups.
_GROUPS = {"loss": "1_loss", "psnr": "2_psnr", "ssim": "3_ssim", "mse": "4_errors", "mae": "4_errors"}
_OTHERS = "training"
CHARTS = tuple(_GROUPS)


def curve_tag(name: str) -> str:
    """The tag of a curve, training's and validation's of a metric side by side; what matters most comes first.

    >>> curve_tag("loss"), curve_tag("val_psnr"), curve_tag("learning_rate")
    ('1_loss/loss', '2_psnr/val_psnr', 'training/learning_rate')
    """
    return f"{_GROUPS.get(name.removeprefix('val_').removeprefix('ema_'), _OTHERS)}/{name}"


def chart_pattern(name: str) -> str:
    """A regular expression for the tags of a metric's curves, those of earlier versions included.

    >>> chart_pattern("loss")
    '^(1_loss/(val_)?)?loss$'
    """
    return f"^({_GROUPS[name]}/(val_)?)?{name}$"


def curve_name(tag: str) -> str | None:
    """What the tab calls a curve, `PART/NAME`; None for other tags.

    >>> curve_name("2_psnr/val_psnr"), curve_name("1_loss/loss"), curve_name("test/ssim"), curve_name("other")
    ('validation/psnr', 'train/loss', 'evaluation/test/ssim', None)
    """
    group, _, name = tag.partition("/")
    if group in ("test", "validation", "train"):
        return f"evaluation/{tag}"
    if group not in (*_GROUPS.values(), _OTHERS):
        return None
    return f"validation/{name.removeprefix('val_')}" if name.startswith("val_") else f"train/{name}"


PLUGIN_NAME = "cae"
INPUTS_TAG = "probes/inputs"
PICTURES_TAG = "probes/reconstructions"
FIGURES_TAG = "probes/figures"
SIMPLE_TAG = "probes/simple_codes"
SIMPLE_NOTES_TAG = "probes/simple_codes/notes"
# Rows of the tensor of figures.
FIGURES = ("psnr", "ssim", "mse")
Parsed = TypeVar("Parsed")
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
        return _parse(cls, content, "a description of probe images")


@dataclass(frozen=True)
class SimpleCode:
    """What is known of a baseline or a floor that an evaluation measured beside a run.

    Args:
        name: such as `pca`.
        values: in its code of one image.
        split: of the images that were evaluated.
        means: over them, of each metric.
        figures: each of `FIGURES` to one number a probe image.
    """

    name: str
    values: int
    split: str
    means: dict[str, float]
    figures: dict[str, list[float]]

    @classmethod
    def from_json(cls, content: bytes) -> SimpleCode:
        """Read it back.

        Raises:
            ValueError: it is something else.
        """
        return _parse(cls, content, "a simple code")


def simple_codes_summary(codes: Sequence[SimpleCode], pictures: Sequence[np.ndarray]) -> summary_pb2.Summary:
    """Make the summary of what baselines and floors make of the probe images.

    Example:
        >>> code = SimpleCode("pca", 32, "test", {"psnr": 18.9}, {name: [20.0] for name in FIGURES})
        >>> summary = simple_codes_summary([code], [np.zeros((1, 8, 8, 1))])
        >>> SimpleCode.from_json(tensor_util.make_ndarray(summary.value[1].tensor)[0]) == code
        True

    Args:
        codes: each one's notes.
        pictures: each one's pictures of the probe images, (images, height, width, 1 or 3) in [0, 1].
    """
    summary = _blobs(SIMPLE_TAG, [encode_sheet(made) for made in pictures], "")
    notes = tensor_util.make_tensor_proto([json.dumps(asdict(code)).encode() for code in codes])
    summary.value.add(tag=SIMPLE_NOTES_TAG, metadata=_metadata(summary_pb2.DATA_CLASS_TENSOR, ""), tensor=notes)
    return summary


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


def _parse(kind: type[Parsed], content: bytes, what: str) -> Parsed:
    try:
        return TypeAdapter(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"not {what}: {place or 'text'}: {first['msg']}") from error


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
