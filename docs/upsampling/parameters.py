"""Table and figure: how many weights each kind of upsampling has, from the program's plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cae.config.model import ModelSection
from cae.kinds.operations import Upsample
from cae.plan import make_plan
from docs.upsampling.board import BLUE, GREEN, Board

# Label, upsampling, tied.
_KINDS: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("resize", {"kind": "resize"}, False),
    ("max_unpool", {"kind": "max_unpool"}, False),
    ("fixed_unpool", {"kind": "fixed_unpool"}, False),
    ("bilinear_additive", {"kind": "bilinear_additive"}, False),
    ("conv_transpose, 3x3", {"kind": "conv_transpose", "kernel_size": 3}, False),
    ("conv_transpose, 4x4", {"kind": "conv_transpose", "kernel_size": 4}, False),
    ("subpixel", {"kind": "subpixel"}, False),
    ("haar", {"kind": "haar"}, False),
    ("dysample", {"kind": "dysample"}, False),
    ("carafe", {"kind": "carafe"}, False),
    ("max_unpool, tied", {"kind": "max_unpool"}, True),
)


def table() -> list[tuple[Any, ...]]:
    """Header and rows: the decoder stage from 7x7x64 to 14x14x32."""
    return [("kind", "upsampling itself", "its convolution", "together"), *_rows()]


def _rows() -> list[tuple[str, int, int, int]]:
    rows = []
    for label, upsampling, is_tied in _KINDS:
        section = ModelSection.model_validate(
            {
                "encoder": {"filters": (32, 64)},
                "bottleneck": {"kind": "none"},
                "decoder": {"upsampling": upsampling, "tied_weights": is_tied},
            }
        )
        stage = [op for op in make_plan(section, (28, 28, 1)).decoder if op.name.startswith("stage_2")]
        together = sum(operation.parameters for operation in stage)
        # A transposed convolution is upsampling and convolution in one.
        is_apart = any(isinstance(operation, Upsample) for operation in stage)
        own = sum(operation.parameters for operation in stage if isinstance(operation, Upsample) or not is_apart)
        rows.append((label, own, together - own, together))
    return rows


def numbers() -> dict[str, Any]:
    """The table's columns by name."""
    rows = _rows()
    return {
        "kinds": [row[0] for row in rows],
        "upsampling": [row[1] for row in rows],
        "convolution": [row[2] for row in rows],
    }


def draw(found: Mapping[str, Any]) -> Board:
    """Draw a bar for each kind."""
    board = Board(24, 13.7, cell=50)
    columns = (found["kinds"], found["upsampling"], found["convolution"])
    scale = 13.0 / max(a + b for a, b in zip(*columns[1:], strict=True))
    for line, (kind, own, convolution) in enumerate(zip(*columns, strict=True)):
        top = 1.5 + 1.1 * line
        board.write(kind, 6.6, top + 0.4, align="right")
        board.bar(6.9, top, own * scale, 0.8, GREEN)
        board.bar(6.9 + own * scale, top, convolution * scale, 0.8, BLUE)
        board.write(f"{own + convolution:,}", 7.2 + (own + convolution) * scale, top + 0.4, align="left")
    board.write("weights of the stage from 7 x 7 x 64 to 14 x 14 x 32", 6.9, 0.6, align="left")
    board.bar(17.2, 4.2, 0.8, 0.8, BLUE)
    board.write("convolution", 18.3, 4.6, align="left")
    board.bar(17.2, 3.1, 0.8, 0.8, GREEN)
    board.write("upsampling itself", 18.3, 3.5, align="left")
    return board
