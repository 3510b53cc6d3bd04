"""What the picture is made of: lines of text whose width is known before they are drawn, and boxes for shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from cae.plan_figure.steps import Step

if TYPE_CHECKING:
    from cae.plan.operations import Shape

FONT = "DejaVu Sans"  # comes with matplotlib
LINE_HEIGHT = 0.17

TALLEST, WIDEST = 0.6, 1.0
_LOWEST, _THINNEST = 0.18, 0.14
_SLANT = 0.25  # share of a picture's width that its box goes back
DEEPEST = _SLANT * TALLEST


@dataclass(frozen=True)
class Line:
    """A line of text; `size` is in points."""

    text: str
    size: float
    weight: str = "normal"
    color: str = "#1a1a1a"

    @property
    def width(self) -> float:
        """Width in inches."""
        return _text_width(self.text, self.size, self.weight)


@dataclass(frozen=True)
class Box:
    """A shape as a box: its front is as tall as the picture and as wide as its channels; it goes back by the width.

    `x` and `y` are its centre, in inches from the figure's top left corner. `part` is image, encoder, code, decoder or
    reconstruction.
    """

    part: str
    x: float
    y: float
    width: float
    height: float
    depth: float
    lines: tuple[Line, ...]
    step: Step | None = None  # only encoder and decoder have some

    @property
    def left(self) -> float:
        """Left edge of the whole box."""
        return self.x - (self.width + self.depth) / 2

    @property
    def right(self) -> float:
        """Right edge of the whole box."""
        return self.x + (self.width + self.depth) / 2

    @property
    def top(self) -> float:
        """Upper edge of the whole box."""
        return self.y - (self.height + self.depth) / 2

    @property
    def bottom(self) -> float:
        """Lower edge of the whole box."""
        return self.y + (self.height + self.depth) / 2


class Scale:
    """Lengths for sides and for channels, on logarithmic scales: halving takes away the same everywhere.

    Args:
        shapes: all that are drawn; the largest side and the most channels get the full length.
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self._sides = [side for shape in shapes for side in shape[:2]]
        self._channels = [1, *(shape[2] for shape in shapes)]

    def lengths(self, shape: Shape) -> tuple[float, float, float]:
        """Width, height and depth of a shape's box."""
        height, across = (_between(_LOWEST, TALLEST, side, self._sides) for side in shape[:2])
        return _between(_THINNEST, WIDEST, shape[2], self._channels), height, _SLANT * across


def widest(lines: Iterable[Line]) -> float:
    """Width of the widest line."""
    return max((line.width for line in lines), default=0.0)


def _between(least: float, most: float, value: int, values: Sequence[int]) -> float:
    low, high = math.log(min(values)), math.log(max(values))
    share = (math.log(value) - low) / (high - low) if high > low else 1.0
    return least + (most - least) * share


@lru_cache(maxsize=4096)
def _text_width(text: str, size: float, weight: str) -> float:
    points, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(family=FONT, weight=weight, size=size), False
    )
    return float(points) / 72
