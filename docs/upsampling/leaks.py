"""Figure and table: what switches say about an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from cae.config.model import ModelSection
from cae.data.formats.array_files import read_idx
from cae.data.sources.standard import BUNDLED_FOLDER
from cae.plan import make_plan
from docs.upsampling.board import BLUE, GREEN, ORANGE, PINK, Board

_COLORS = np.array([BLUE, ORANGE, GREEN, PINK], object)
_IMAGES = (0, 1)


def numbers() -> dict[str, Any]:
    """Two bundled images, and the switches of 2x2 max pooling on them."""
    images = np.array(read_idx(BUNDLED_FOLDER / "t10k-images-idx3-ubyte.gz")[list(_IMAGES)])
    windows = images.reshape(len(images), 14, 2, 14, 2).swapaxes(2, 3).reshape(len(images), 14, 14, 4)
    return {"images": images, "switches": windows.argmax(-1)}


def table() -> list[tuple[Any, ...]]:
    """Header and rows: bits of an image, its code and its switches, for the encoder of 32 and 64 filters."""
    section = ModelSection.model_validate(
        {
            "encoder": {"filters": (32, 64)},
            "bottleneck": {"kind": "spatial", "channels": 8},
            "decoder": {"upsampling": {"kind": "max_unpool"}},
        }
    )
    plan = make_plan(section, (28, 28, 1))
    rows: list[tuple[Any, ...]] = [("image, 8 bits a value", "28 x 28 x 1", f"{plan.code.image_bits:,}")]
    rows.append(
        ("code, 32 bits a value", _shape(plan.latent_shape), f"{plan.code.values * plan.code.bits_per_value:,}")
    )
    for pool in plan.switches:
        what = f"switches of {pool.name}, up to 2 bits each"
        rows.append((what, _shape(pool.output_shape), f"{pool.switch_bits:,.0f}"))
    rows.append(("switches together", "", f"{plan.code.switch_bits:,}"))
    return [("what", "values", "bits"), *rows]


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def draw(found: Mapping[str, Any]) -> Board:
    """Draw each image beside the map of its switches."""
    board = Board(31, 9.7, cell=40)
    titles = ("top-left", "top-right", "bottom-left", "bottom-right")
    for number, (image, switches) in enumerate(zip(found["images"], found["switches"], strict=True)):
        left = 0.6 + 15.4 * number
        board.picture(255 - np.asarray(image), left, 1.2, 7.0, "image (dark is high)")
        fills = _COLORS[np.asarray(switches)]
        board.grid(np.full(fills.shape, "", object), left + 7.4, 1.2, "its switches alone", fills, size=0.5)
    for number, title in enumerate(titles):
        board.bar(4.6 + 5.6 * number, 8.8, 0.45, 0.45, _COLORS[number])
        board.write(title, 5.2 + 5.6 * number, 9.02, 0.42, align="left")
    return board
