"""How the figures look: a style for each contender, also distinct without colours, and figures as data URIs."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text

from cae.comparison.record import Comparison
from cae.comparison.report.formatting import shortened
from cae.pages import data_uri

# Okabe and Ito, "Color Universal Design" (2008), without the yellow, which is too light on white.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_LINES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "*", "h")
_FONT = "DejaVu Sans"  # comes with matplotlib
_LABEL_LENGTH = 24
_PIXELS_PER_INCH = 160

_RULES: dict[str, Any] = {
    "font.family": _FONT,
    "font.size": 10,
    "text.usetex": False,
    "svg.fonttype": "path",
    # The same comparison gives the same bytes.
    "svg.hashsalt": "cae",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Drawn:
    """A figure for the page.

    Args:
        uri: the picture itself, as data.
        alternative: what it shows, with figures, for those who do not see it.
        caption: stands below.
    """

    uri: str
    alternative: str
    caption: str


@dataclass(frozen=True)
class Look:
    """How one contender is drawn in every figure: no two of 28 have the same colour and line."""

    label: str
    color: str
    line: str
    marker: str


def looks(comparison: Comparison) -> dict[str, Look]:
    """Contenders' labels to how they are drawn; the label in a figure is its place and its shortened name."""
    return {
        contender.label: Look(
            f"{place + 1} {drawable(contender.label)}",
            _COLORS[place % len(_COLORS)],
            _LINES[place % len(_LINES)],
            _MARKERS[place % len(_MARKERS)],
        )
        for place, contender in enumerate(comparison.contenders)
    }


@contextmanager
def house_style() -> Iterator[None]:
    """Make and save figures inside; whatever style the user has set stands again afterwards."""
    with matplotlib.rc_context(_RULES):
        yield


def drawable(text: str) -> str:
    """Make a name fit for a figure: short, on one line, of letters that the font has."""
    known = _letters()
    return "".join(
        letter if ord(letter) in known else "\N{REPLACEMENT CHARACTER}" for letter in shortened(text, _LABEL_LENGTH)
    )


def literal(text: Text) -> None:
    """Let dollar signs be dollar signs: names are not formulas."""
    text.set_parse_math(False)


def add_legend(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """Put a legend below the figure; labels stand as they are, whatever they begin with."""
    # Numbers first: a label that begins with an underscore would be left out.
    legend = figure.legend(
        handles, [str(i) for i in range(len(labels))], loc="outside lower center", ncols=2 if len(labels) > 1 else 1
    )
    for text, label in zip(legend.get_texts(), labels, strict=True):
        literal(text)
        text.set_text(label)


def svg(figure: Figure) -> bytes:
    """Draw as SVG, text as outlines: no font of the reader's is needed."""
    return _saved(FigureCanvasSVG(figure).print_svg, metadata={"Date": None, "Creator": None})


def svg_uri(figure: Figure) -> str:
    """Draw as SVG for the page."""
    return data_uri(svg(figure), "image/svg+xml")


def png_uri(figure: Figure) -> str:
    """Draw as PNG, for figures that are made of pixels."""
    figure.set_dpi(_PIXELS_PER_INCH)
    return data_uri(_saved(FigureCanvasAgg(figure).print_png, metadata={"Software": None}), "image/png")


def _saved(save: Any, metadata: dict[str, None]) -> bytes:
    file = io.BytesIO()
    save(file, metadata=metadata)
    return file.getvalue()


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont(_FONT))
    return frozenset(font.get_charmap())
