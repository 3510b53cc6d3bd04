"""A board to draw on: grids of numbers, words and arrows in units of cells, y downwards."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from PIL import Image
from PIL.PngImagePlugin import PngInfo

# Okabe and Ito, "Color Universal Design" (2008), made light enough to write on.
BLUE, ORANGE, GREEN, PINK = "#9ecbe8", "#f4b183", "#8fd3bd", "#e3b5cf"
WHITE, PALE, GRAY, INK = "#ffffff", "#f1f1f1", "#9a9a9a", "#222222"

# Comes with matplotlib; whatever style the user has set makes no difference.
_FONT = {"family": "DejaVu Sans", "usetex": False, "parse_math": False, "linespacing": 1.2}
# Where a picture keeps its numbers.
_KEY = "numbers"


class Board:
    """A white sheet of `width` by `height` cells.

    Args:
        width: Cells from left to right; the sheet is that many times `cell` wide.
        height: Cells from top to bottom.
        cell: Side of a cell in pixels.
    """

    def __init__(self, width: float, height: float, cell: int = 56) -> None:
        self._points = cell / 2  # pixels at 144 to the inch
        self._figure = Figure(figsize=(width * cell / 144, height * cell / 144), dpi=144, facecolor="white")
        self._canvas = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1))
        self._axes.set_xlim(0, width)
        self._axes.set_ylim(height, 0)
        self._axes.axis("off")
        self._axes.set_autoscale_on(False)

    def grid(
        self,
        texts: Any,
        left: float,
        top: float,
        title: str = "",
        fills: Any = WHITE,
        size: float = 1.0,
        inks: Any = INK,
    ) -> None:
        """Draw a table of squares, with a title above.

        Args:
            texts: Rows of what stands in the squares; numbers are written in their shortest form.
            left: Of the first square.
            top: Of the first square.
            title: Stands above.
            fills: One colour, or rows of colours.
            size: Side of a square.
            inks: One colour of writing, or rows of colours.
        """
        rows, columns = np.shape(texts)
        inks = np.broadcast_to(np.array(inks, object), (rows, columns))
        corners = [(left + x * size, top + y * size) for y in range(rows) for x in range(columns)]
        squares = [[(x, y), (x + size, y), (x + size, y + size), (x, y + size)] for x, y in corners]
        colors = np.broadcast_to(np.array(fills, object), (rows, columns)).ravel().tolist()
        self._axes.add_collection(PolyCollection(squares, facecolors=colors, edgecolors=GRAY, linewidths=0.7))
        for (x, y), value, ink in zip(corners, np.asarray(texts, object).ravel(), inks.ravel(), strict=True):
            text = short(value)
            self.write(text, x + size / 2, y + size / 2, _type_height(text) * size, ink)
        if title:
            self.write(title, left + columns * size / 2, top - 0.5)

    def write(self, text: str, x: float, y: float, height: float = 0.36, ink: str = INK, align: str = "center") -> None:
        """Write a text, centred on (x, y) or with its left or right end there; `height` is that of its type."""
        style: dict[str, Any] = {"fontsize": height * self._points, "ha": align, "color": ink, **_FONT}
        if not text:
            return
        if "\n" in text:
            self._axes.text(x, y, text, va="center", **style)
        else:  # on one line with its neighbours, whether it has descenders or not
            self._axes.text(x, y + 0.36 * height, text, va="baseline", **style)

    def bar(self, left: float, top: float, width: float, height: float, fill: str) -> None:
        """Draw a filled bar."""
        self._axes.add_patch(Rectangle((left, top), width, height, facecolor=fill, edgecolor=GRAY, linewidth=0.7))

    def outline(
        self, left: float, top: float, width: float, height: float, ink: str = INK, dashed: bool = False
    ) -> None:
        """Draw a thick frame."""
        line = "--" if dashed else "-"
        self._axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=ink, lw=2.2, ls=line))

    def arrow(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Draw an arrow."""
        style: dict[str, Any] = {
            "arrowstyle": "-|>",
            "mutation_scale": 13,
            "color": INK,
            "linewidth": 1.3,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        self._axes.add_patch(FancyArrowPatch(start, end, **style))

    def picture(self, values: Any, left: float, top: float, size: float, title: str = "") -> None:
        """Draw an image of grey values from 0 to 255 in a square of `size` cells."""
        box = (left, left + size, top + size, top)
        self._axes.imshow(values, cmap="gray", vmin=0, vmax=255, extent=box, interpolation="nearest", aspect="auto")
        self._axes.add_patch(Rectangle((left, top), size, size, fill=False, edgecolor=GRAY, linewidth=0.7))
        if title:
            self.write(title, left + size / 2, top - 0.5)

    def image(self) -> Image.Image:
        """What is drawn so far, as an RGB image."""
        self._canvas.draw()
        return Image.fromarray(np.asarray(self._canvas.buffer_rgba())[:, :, :3].copy())

    def save(self, path: Path, numbers: Mapping[str, Any]) -> None:
        """Write a PNG file that carries the numbers it shows."""
        info = PngInfo()
        info.add_text(_KEY, as_json(numbers))
        # Few colours: a fifth of the bytes, and the eye sees no difference.
        colors = self.image().quantize(64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        colors.save(path, pnginfo=info, optimize=True)


def short(value: Any) -> str:
    """A number without needless digits; a text as it is.

    Example:
        >>> short(2.0), short(0.25), short("a + b")
        ('2', '0.25', 'a + b')
    """
    return value if isinstance(value, str) else f"{value:.3g}"


def _type_height(text: str) -> float:
    """How high the type may be, in squares, for a text to fit into one."""
    if "\n" in text or len(text) > 4:
        return 0.26
    return 0.46 if len(text) < 3 else 0.34


def as_json(numbers: Mapping[str, Any]) -> str:
    """Numbers and arrays as one line of JSON."""
    return json.dumps({name: np.asarray(value).tolist() for name, value in numbers.items()}, sort_keys=True)


def carried_numbers(path: Path) -> dict[str, Any]:
    """The numbers that a picture, PNG or GIF, carries."""
    with Image.open(path) as image:
        found = image.info[_KEY] if path.suffix == ".png" else image.info["comment"].decode()
    return json.loads(found)
