"""The boxes of the drawing, and the words in them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from cae.plan_figure.steps import Link, Step, as_text, make_links, make_steps

if TYPE_CHECKING:
    from cae.kinds.operations import Shape
    from cae.plan.plan import Plan


_GRAY = "#595959"


def title(plan: Plan) -> str:
    """What the picture shows, in a few words."""
    return f"Autoencoder for images of {as_text(plan.image_shape)}"


def head_lines(plan: Plan) -> tuple[Line, ...]:
    """The title and the totals."""
    code = plan.code
    totals = (
        f"{plan.parameters:,} parameters, {plan.macs:,} MACs for each image",
        f"code of {code.values:,} values: {code.values * code.bits_per_value:,} bits,"
        f" {code.ratio:.3g} times the image's {code.image_bits:,} bits",
    )
    switches = (
        f"switches of up to {code.switch_bits:,} bits round the code:"
        f" {code.ratio_with_switches:.3g} times the image's bits together",
    )
    lines = totals + (switches if code.switch_bits else ())
    return (Line(title(plan), 13, "bold"), *(Line(text, 9.5) for text in lines))


def step_lines(step: Step) -> tuple[Line, ...]:
    """A step's label: what it does, what it gives and its name."""
    return (
        Line(step.summary, 9, "bold"),
        Line(f"{as_text(step.shape)}, {_counted(step.parameters, 'parameter')}", 8.5),
        Line(step.name, 7.5, color=_GRAY),
    )


def end_lines(name: str, shape: Shape) -> tuple[Line, ...]:
    """Label of the image or of the reconstruction."""
    return Line(name, 9, "bold"), Line(f"{as_text(shape)}, {_counted(math.prod(shape), 'value')}", 8.5)


def code_lines(plan: Plan) -> tuple[Line, ...]:
    """Label of the code."""
    code = plan.code
    return (
        Line(f"code {as_text(plan.latent_shape)}", 10, "bold"),
        Line(_counted(code.values, "value"), 9),
        Line(f"{code.values * code.bits_per_value:,} bits in float32", 9),
    )


def link_line(link: Link) -> Line:
    """Label of a link."""
    return Line(link.label, 8)


def description(plan: Plan) -> str:
    """Say the whole picture in sentences, for those who do not see it."""
    sentences = [". ".join(line.text for line in head_lines(plan))]
    for part, operations in (("Encoder", plan.encoder), ("Decoder", plan.decoder)):
        steps = (f"{step.summary} gives {as_text(step.shape)} ({step.name})" for step in make_steps(operations))
        sentences.append(f"{part}: {'; '.join(steps)}")
    for link in make_links(plan):
        verb = "passes switches to" if link.kind == "switches" else "shares its kernel with"
        sentences.append(f"{link.source} {verb} {link.target} ({link.label})")
    return ". ".join(sentences) + "."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


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
