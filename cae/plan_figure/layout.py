"""Where everything stands, in inches from the figure's top left corner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.plan_figure.boxes import (
    DEEPEST,
    LINE_HEIGHT,
    WIDEST,
    Box,
    Scale,
    code_lines,
    end_lines,
    head_lines,
    link_line,
    step_lines,
    widest,
)
from cae.plan_figure.steps import Link, Row, Step, make_links, make_rows

if TYPE_CHECKING:
    from cae.plan.plan import Plan

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
