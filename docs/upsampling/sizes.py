"""Tables and figure: how large a transposed convolution's output is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cae.config.model import ModelSection
from cae.plan import make_plan
from docs.upsampling.board import BLUE, GREEN, ORANGE, PALE, Board

_WINDOWS = (BLUE, ORANGE)


def output_size(size: int, kernel: int, strides: int, padding: str, output_padding: int | None = None) -> int:
    """The height that `keras.layers.Conv2DTranspose` makes of `size`, by formula.

    Example:
        >>> output_size(4, 3, 2, "valid"), output_size(4, 3, 2, "same"), output_size(4, 3, 2, "same", output_padding=0)
        (9, 8, 7)
    """
    if output_padding is None:
        return size * strides + (max(kernel - strides, 0) if padding == "valid" else 0)
    cut = 0 if padding == "valid" else 2 * (kernel // 2)
    return (size - 1) * strides + kernel - cut + output_padding


def restored_size(size: int) -> tuple[int, int]:
    """What the program's plan makes of an image's side: the code's, and that of the reconstruction."""
    section = ModelSection.model_validate(
        {"encoder": {"filters": (4,)}, "decoder": {"upsampling": {"kind": "conv_transpose"}}}
    )
    plan = make_plan(section, (size, size, 1))
    return plan.latent_shape[0], plan.decoder[-1].output_shape[0]


def table() -> list[tuple[Any, ...]]:
    """Header and rows: images of 5 to 12 pixels a side, pooled by 2, made larger again with strides 2."""
    header = (
        "image",
        "pooled",
        "VALID, 3",
        "VALID, 4",
        "SAME, any kernel",
        "SAME, 3, `output_padding=0`",
        "SAME, 3, `output_padding=1`",
        "this program",
    )
    rows = []
    for image in range(5, 13):
        pooled, restored = restored_size(image)
        valid = [output_size(pooled, kernel, 2, "valid") for kernel in (3, 4)]
        same = [output_size(pooled, 3, 2, "same", extra) for extra in (None, 0, 1)]
        rows.append((image, pooled, *valid, *same, restored))
    return [header, *rows]


def numbers() -> dict[str, Any]:
    """Kernel 3, strides 2, 4 values: how many of the 9 painted pixels each rule drops before and after."""
    full = output_size(4, 3, 2, "valid")
    dropped = {}
    for target in (9, 8, 7):
        # What the convolution on the large side pads is what its transpose drops.
        total = full - target
        dropped[f"dropped_{target}"] = [total // 2, total - total // 2]
    return {"values": 4, "kernel": 3, "strides": 2, "full": full, **dropped}


def draw(found: Mapping[str, Any]) -> Board:
    """Draw what each value paints, and below what each rule keeps of it."""
    board = Board(20.0, 9.6)
    left = 5.6
    board.write("4 values", 0.4, 1.0, align="left")
    board.write("what each paints", 0.4, 3.2, align="left")
    for number in range(found["values"]):
        color = _WINDOWS[number % 2]
        start = left + number * found["strides"]
        board.grid([[number + 1]], start + 1, 0.5, "", color)
        top = 2.2 + 1.1 * (number % 2)
        board.grid([[str(number + 1)] * found["kernel"]], start, top, "", color)
        board.arrow((start + 1.5, 1.55), (start + 1.5, top))
    names = {9: "VALID: 9", 8: "SAME: 8", 7: "exact size: 7"}
    remarks = {9: "all", 8: "drops the last", 7: "drops the first and the last"}
    for line, (size, name) in enumerate(names.items()):
        before, after = found[f"dropped_{size}"]
        top = 5.6 + 1.4 * line
        kept = ["kept" if before <= pixel < found["full"] - after else "" for pixel in range(found["full"])]
        texts = [[str(sum(map(bool, kept[: i + 1]))) if keep else "" for i, keep in enumerate(kept)]]
        board.write(name, 0.4, top + 0.5, align="left")
        board.grid(texts, left, top, "", [[GREEN if keep else PALE for keep in kept]])
        board.write(remarks[size], left + 9.4, top + 0.5, 0.32, align="left")
    return board
