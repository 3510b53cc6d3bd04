"""Layout of the figure: positions in inches from its top left corner, and the text of each box."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from cae.messages import number_of
from cae.plan_figure.steps import Link, Row, Step, as_text, make_links, make_rows, make_steps

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
        f"code of {number_of(code.values, 'value')}: {code.values * code.bits_per_value:,} bits,"
        f" {code.ratio:.3g} times the image's {code.image_bits:,} bits",
    )
    switches = (
        f"switches of up to {code.switch_bits:,} bits past the code:"
        f" {code.ratio_with_switches:.3g} times the image's bits together",
    )
    lines = totals + (switches if code.switch_bits else ())
    return (Line(title(plan), 13, "bold"), *(Line(text, 9.5) for text in lines))


def step_lines(step: Step) -> tuple[Line, ...]:
    """A step's label: what it does, what it gives and its name."""
    return (
        Line(step.summary, 9, "bold"),
        Line(f"{as_text(step.shape)}, {number_of(step.parameters, 'parameter')}", 8.5),
        Line(step.name, 7.5, color=_GRAY),
    )


def end_lines(name: str, shape: Shape) -> tuple[Line, ...]:
    """Label of the image or of the reconstruction."""
    return Line(name, 9, "bold"), Line(f"{as_text(shape)}, {number_of(math.prod(shape), 'value')}", 8.5)


def code_lines(plan: Plan) -> tuple[Line, ...]:
    """Label of the code."""
    code = plan.code
    return (
        Line(f"code {as_text(plan.latent_shape)}", 10, "bold"),
        Line(number_of(code.values, "value"), 9),
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


MARGIN = 0.4
TITLE_HEIGHT = 0.1  # more than that of other lines
BESIDE = 0.36  # between boxes and their text, for the brackets of residual blocks

_COLUMN = WIDEST + DEEPEST
_GAP = 0.28  # between the rows, for the arrow from box to box
_BELOW_HEAD = 0.2
_ABOVE_CODE = 0.3  # for the arrows that turn to the code
_NARROWEST_CENTRE = 2.6
_BESIDE_LINK = 0.7  # for a link's ends, on both sides of its label
_LINK_DISTANCE = 0.25  # between links of one row, for their labels


@dataclass(frozen=True)
class PlacedLink:
    """A link with the two boxes it joins, and how far below their centres it meets them."""

    link: Link
    source: Box
    target: Box
    offset: float


@dataclass(frozen=True)
class Layout:
    """The whole picture.

    Args:
        width: of the figure.
        height: of the figure, without notes below.
        encoder: the image's box and the steps', as data goes.
        code: the code's box; its text is below.
        decoder: the steps' boxes and the reconstruction's, as data goes.
        text_edges: where the encoder's texts end and where the decoder's begin.
        bands: top and bottom of each stage, and last of the bottleneck.
        links: from the encoder to the decoder.
    """

    width: float
    height: float
    encoder: tuple[Box, ...]
    code: Box
    decoder: tuple[Box, ...]
    text_edges: tuple[float, float]
    bands: tuple[tuple[float, float], ...]
    links: tuple[PlacedLink, ...]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """All boxes, as data goes."""
        return (*self.encoder, self.code, *self.decoder)


@dataclass(frozen=True)
class _Columns:
    """Places across: the middles of encoder, code and decoder, and where text meets boxes."""

    encoder: float
    code: float
    decoder: float
    text_edges: tuple[float, float]
    width: float


def make_layout(plan: Plan) -> Layout:
    """Give every box, text and link a place of its own; the figure is as large as that needs."""
    rows, links = make_rows(plan), make_links(plan)
    columns = _make_columns(plan, rows, links)
    scale = Scale([plan.image_shape, plan.latent_shape, *(operation.output_shape for operation in plan.operations)])
    num_links = Counter(link.target for link in links)

    size = scale.lengths(plan.image_shape)
    top = MARGIN + TITLE_HEIGHT + len(head_lines(plan)) * LINE_HEIGHT + _BELOW_HEAD
    y = top + max(_tall(size), 2 * LINE_HEIGHT) + _GAP
    image, reconstruction = (
        Box(name, x, (top + y) / 2, *size, end_lines(name, plan.image_shape))
        for name, x in (("image", columns.encoder), ("reconstruction", columns.decoder))
    )

    encoder: dict[str, Box] = {}
    decoder: dict[str, Box] = {}
    bands: dict[int, tuple[float, float]] = {}
    for row in rows:
        height = _row_height(row, scale, num_links)
        if row.encoder:
            encoder[row.encoder.name] = _step_box("encoder", row.encoder, columns.encoder, y + height / 2, scale)
        if row.decoder:
            decoder[row.decoder.name] = _step_box("decoder", row.decoder, columns.decoder, y + height / 2, scale)
        bands[row.band] = (bands.get(row.band, (y, y))[0], y + height)
        y += height

    size = scale.lengths(plan.latent_shape)
    code = Box("code", columns.code, y + _ABOVE_CODE + _tall(size) / 2, *size, code_lines(plan))
    return Layout(
        width=columns.width,
        height=code.bottom + len(code.lines) * LINE_HEIGHT + MARGIN,
        encoder=(image, *encoder.values()),
        code=code,
        decoder=(*reversed(decoder.values()), reconstruction),
        text_edges=columns.text_edges,
        bands=tuple(bands.values()),
        links=tuple(_place_links(links, encoder, decoder)),
    )


def _tall(lengths: tuple[float, float, float]) -> float:
    """Height of a whole box."""
    _, height, depth = lengths
    return height + depth


def _make_columns(plan: Plan, rows: Sequence[Row], links: Sequence[Link]) -> _Columns:
    steps = [step for row in rows for step in (row.encoder, row.decoder) if step]
    texts = [line for step in steps for line in step_lines(step)]
    side = widest([*texts, *end_lines("reconstruction", plan.image_shape)])
    centre = max(_NARROWEST_CENTRE, widest(code_lines(plan)), widest(map(link_line, links)) + _BESIDE_LINK)
    drawn = 2 * (side + BESIDE + _COLUMN) + centre
    width = 2 * MARGIN + max(drawn, widest(head_lines(plan)))
    middle, away = width / 2, (centre + _COLUMN) / 2
    edge = away + _COLUMN / 2 + BESIDE
    return _Columns(middle - away, middle, middle + away, (middle - edge, middle + edge), width)


def _row_height(row: Row, scale: Scale, num_links: Counter[str]) -> float:
    """Room for the taller of both boxes, their texts, and the links between them."""
    heights = [num_links[row.decoder.name] * _LINK_DISTANCE] if row.decoder else []
    for step in (row.encoder, row.decoder):
        if step is not None:
            heights += [_tall(scale.lengths(step.shape)), len(step_lines(step)) * LINE_HEIGHT]
    return max(heights) + _GAP


def _step_box(part: str, step: Step, x: float, y: float, scale: Scale) -> Box:
    return Box(part, x, y, *scale.lengths(step.shape), step_lines(step), step)


def _place_links(links: Sequence[Link], encoder: dict[str, Box], decoder: dict[str, Box]) -> list[PlacedLink]:
    """Links of one step lie below each other, their labels above them; all together are centred on the box."""
    totals, seen, placed = Counter(link.target for link in links), Counter[str](), []
    for link in links:
        total, place = totals[link.target], seen[link.target]
        seen[link.target] += 1
        offset = (place - (total - 1) / 2) * _LINK_DISTANCE if total > 1 else 0.0
        placed.append(PlacedLink(link, encoder[link.source], decoder[link.target], offset))
    return placed
