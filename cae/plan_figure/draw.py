"""Draw the laid-out plan with Matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib import path as curves
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, PathPatch, Polygon, Rectangle

from cae.atomic_files import replacing
from cae.errors import ConfigError, UserError
from cae.plan_figure.layout import (
    BESIDE,
    FONT,
    LINE_HEIGHT,
    MARGIN,
    TITLE_HEIGHT,
    Box,
    Layout,
    Line,
    PlacedLink,
    description,
    head_lines,
    link_line,
    make_layout,
    title,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cae.plan.plan import Plan


_RULES: dict[str, Any] = {
    "font.family": FONT,
    "text.usetex": False,
    "svg.fonttype": "path",  # no font of the reader's is needed
    "svg.hashsalt": "cae",  # the same plan gives the same bytes
}

# Okabe and Ito, "Color Universal Design" (2008): sky blue, orange, yellow; lightened for what text stands beside.
_COLORS = {
    "image": "#d9d9d9",
    "encoder": "#9fd2f2",
    "code": "#f0e442",
    "decoder": "#f3c98a",
    "reconstruction": "#d9d9d9",
}
_SWITCHES, _TIED = "#0072B2", "#B34700"
_INK, _FLOW, _BAND = "#262626", "#6b6b6b", "#f4f4f4"


@contextmanager
def house_style() -> Iterator[None]:
    """Make and save figures inside; whatever style the user has set stands again afterwards."""
    with matplotlib.rc_context(_RULES):
        yield


def draw_plan(plan: Plan) -> Figure:
    """Draw encoder and decoder: a box for each operation, the code between them, and what bypasses it.

    The encoder goes down on the left and the decoder up on the right, stage beside stage. A box is as tall as the
    picture, as wide as its channels and as deep as the picture is wide, on logarithmic scales; boxes without kernels
    are white. Dashed arrows are switches, dotted lines between squares are tied kernels, brackets are the skips of
    residual blocks. The figure grows with the plan; texts never overlap.

    Artists that stand for parts of the plan have its names as `gid`: `encoder:NAME`, `decoder:NAME`, `image`, `code`,
    `reconstruction`, `residual:encoder:NAME`, and with the name of the decoder's operation `switches:NAME` and
    `tied:NAME`.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> section = ModelSection.model_validate({"decoder": {"upsampling": "max_unpool"}})
        >>> figure = draw_plan(make_plan(section, (28, 28, 1)))
        >>> sorted(patch.get_gid() for patch in figure.axes[0].patches if "switches" in (patch.get_gid() or ""))
        ['switches:stage_1_max_unpool', 'switches:stage_2_max_unpool']

    Args:
        plan: the model as arithmetic.

    Returns:
        A figure without a canvas; one unit of its only axes is an inch.
    """
    with house_style():
        layout = make_layout(plan)
        notes = _notes(layout)
        height = layout.height + len(notes) * LINE_HEIGHT + MARGIN / 2
        figure = Figure((layout.width, height), facecolor="white")
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, layout.width), ylim=(height, 0))
        axes.set_axis_off()
        for number, (top, bottom) in enumerate(layout.bands):
            if number % 2 == 0:
                axes.add_patch(Rectangle((0, top), layout.width, bottom - top, color=_BAND, lw=0, zorder=0))
        title, *totals = head_lines(plan)
        _write(axes, [title], layout.width / 2, MARGIN, "center")
        _write(axes, totals, layout.width / 2, MARGIN + TITLE_HEIGHT + LINE_HEIGHT, "center")
        for box in layout.boxes:
            _draw_box(axes, box)
        _draw_labels(axes, layout)
        _draw_flow(axes, layout)
        for placed in layout.links:
            _draw_link(axes, placed, layout.code.x)
        _write(axes, notes, layout.width / 2, layout.height, "center")
    return figure


def _notes(layout: Layout) -> list[Line]:
    """What the signs mean that are in this picture."""
    kinds = {placed.link.kind for placed in layout.links}
    texts = ["Boxes: height and depth are the picture's sides, width its channels (logarithmic). White: no kernel."]
    if "switches" in kinds:
        texts.append("Dashed arrow: switches, which say where in its window each value belongs.")
    if "tied" in kinds:
        texts.append("Dotted line between squares: the same kernel, in the decoder read the other way.")
    if any(box.step and box.step.goes_round for box in layout.boxes):
        texts.append("Long bracket: the linear path, from image to code and from code to reconstruction.")
    if any(box.step and box.step.is_residual and not box.step.goes_round for box in layout.boxes):
        texts.append("Bracket: the skip of a residual block; what enters the block is added to what comes out.")
    return [Line(text, 8, color=_FLOW) for text in texts]


def _fill(box: Box) -> str:
    return _COLORS[box.part] if box.step is None or box.step.has_kernel else "white"


def _draw_box(axes: Axes, box: Box) -> None:
    left, low, depth = box.left, box.bottom, box.depth
    right, high = left + box.width, low - box.height
    style: dict[str, Any] = {
        "facecolor": _fill(box),
        "edgecolor": _INK,
        "linewidth": 2.0 if box.part == "code" else 0.9,
        "zorder": 2,
    }
    top = [(left, high), (left + depth, high - depth), (right + depth, high - depth), (right, high)]
    side = [(right, high), (right + depth, high - depth), (right + depth, low - depth), (right, low)]
    for face in (top, side):
        axes.add_patch(Polygon(face, joinstyle="round", **style))
    axes.add_patch(Rectangle((left, high), box.width, box.height, joinstyle="round", gid=_gid(box), **style))


def _gid(box: Box) -> str:
    return f"{box.part}:{box.step.name}" if box.step else box.part


def _draw_labels(axes: Axes, layout: Layout) -> None:
    left, right = layout.text_edges
    for boxes, x, alignment, turn in ((layout.encoder, left, "right", -1), (layout.decoder, right, "left", 1)):
        for box in boxes:
            _write(axes, box.lines, x, box.y - len(box.lines) * LINE_HEIGHT / 2, alignment)
            if box.step and box.step.goes_round:
                _draw_way_round(axes, boxes[0], box, x - 0.8 * turn * BESIDE, turn)
            elif box.step and box.step.is_residual:
                _draw_bracket(axes, box, x - turn * BESIDE / 2, turn)
    code = layout.code
    _write(axes, code.lines, code.x, code.bottom + 0.08, "center")


def _draw_bracket(axes: Axes, box: Box, x: float, turn: int) -> None:
    """The skip round a residual block, on the side of its text; it ends in a plus, behind the block."""
    above, below = box.top - 0.06, box.bottom + 0.06
    start, end = (above, below) if turn < 0 else (below, above)
    _draw_skip(axes, box, x, start, end)


def _draw_way_round(axes: Axes, first: Box, box: Box, x: float, turn: int) -> None:
    """The linear path: from what the encoder or the decoder is given, below its first box, to the sum."""
    _draw_skip(axes, box, x, first.bottom + 0.06, box.bottom + 0.06 if turn < 0 else box.top - 0.06)


def _draw_skip(axes: Axes, box: Box, x: float, start: float, end: float) -> None:
    path = curves.Path([(box.x, start), (x, start), (x, end), (box.x, end)])
    gid = f"residual:{_gid(box)}"
    axes.add_patch(PathPatch(path, edgecolor=_INK, facecolor="none", linewidth=1.1, gid=gid, zorder=1))
    for marker, fill in (("o", "white"), ("+", _INK)):
        axes.plot([box.x], [end], marker, markersize=6, markeredgecolor=_INK, markerfacecolor=fill, zorder=3)


def _draw_flow(axes: Axes, layout: Layout) -> None:
    """Arrows from box to box, down to the code and up again."""
    encoder, code, decoder = layout.encoder, layout.code, layout.decoder
    for upper, lower in itertools.pairwise(encoder):
        _draw_arrow(axes, [(upper.x, upper.bottom), (lower.x, lower.top)], _FLOW)
    for lower, upper in itertools.pairwise(decoder):
        _draw_arrow(axes, [(lower.x, lower.top), (upper.x, upper.bottom)], _FLOW)
    last, first = encoder[-1], decoder[0]
    _draw_arrow(axes, [(last.x, last.bottom), (last.x, code.y), (code.left, code.y)], _FLOW)
    _draw_arrow(axes, [(code.right, code.y), (first.x, code.y), (first.x, first.bottom)], _FLOW)


def _draw_arrow(
    axes: Axes, points: Sequence[tuple[float, float]], color: str, gid: str | None = None, **style: Any
) -> None:
    look: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 9, "linewidth": 1.0, "zorder": 1, **style}
    path = curves.Path(points)
    axes.add_patch(FancyArrowPatch(path=path, color=color, gid=gid, joinstyle="miter", capstyle="butt", **look))


def _draw_link(axes: Axes, placed: PlacedLink, middle: float) -> None:
    """Switches as a dashed arrow, a tied kernel as a dotted line between squares; the label stands above."""
    link, source, target = placed.link, placed.source, placed.target
    start, end = (source.right + 0.05, source.y + placed.offset), (target.left - 0.05, target.y + placed.offset)
    gid = f"{link.kind}:{link.operation}"
    if link.kind == "switches":
        _draw_arrow(
            axes, [start, end], _SWITCHES, gid, linestyle=(0, (5, 2.5)), linewidth=1.4, mutation_scale=12, zorder=3
        )
    else:
        xs, ys = zip(start, end, strict=True)
        axes.plot(xs, ys, color=_TIED, linestyle=(0, (1, 1.6)), linewidth=1.8, marker="s", markersize=5, gid=gid)
    line = link_line(link)
    _write(axes, [line], middle, (start[1] + end[1]) / 2 - 0.04, "center", "bottom")


def _write(axes: Axes, lines: Sequence[Line], x: float, y: float, alignment: str, anchor: str = "top") -> None:
    """Write lines below each other; the first begins at `y`, or ends there when the anchor is `bottom`."""
    for number, line in enumerate(lines):
        axes.text(
            x,
            y + number * LINE_HEIGHT,
            line.text,
            size=line.size,
            weight=line.weight,
            color=line.color,
            horizontalalignment=alignment,
            verticalalignment=anchor,
            parse_math=False,
            zorder=4,
        )


ENDINGS = (".png", ".svg", ".pdf")

_PIXELS_PER_INCH = 150
_MOST_PIXELS = 32_000  # along a side; the renderer takes twice as many


def check_ending(path: Path) -> None:
    """Refuse names that do not say which kind of picture is wanted.

    Raises:
        ConfigError: if the name ends in something else than .png, .svg and .pdf, in small or capital letters.

    Example:
        >>> check_ending(Path("model.SVG"))
        >>> check_ending(Path("model.jpeg"))
        Traceback (most recent call last):
            ...
        cae.errors.ConfigError: the picture's name must end in .png, .svg or .pdf. Received: model.jpeg.
    """
    if path.suffix.lower() not in ENDINGS:
        endings = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
        raise ConfigError(f"the picture's name must end in {endings}. Received: {path}.")


def save_plan_figure(plan: Plan, path: Path) -> None:
    """Draw a plan, see `draw_plan`, and write it as PNG, SVG or PDF as the path's ending says.

    The same plan gives the same bytes. The file tells in words what it shows: an SVG in its `<title>` and its
    description, the others in their metadata. It is either old or new, never half.

    Example:
        >>> import tempfile
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> path = Path(tempfile.mkdtemp()) / "model.svg"
        >>> save_plan_figure(make_plan(ModelSection(), (28, 28, 1)), path)
        >>> "<title>Autoencoder for images of 28x28x1</title>" in path.read_text(encoding="utf-8")
        True

    Args:
        plan: the model as arithmetic.
        path: where to; its folder exists.

    Raises:
        ConfigError: if the path has another ending.
        UserError: if the file cannot be written.
    """
    check_ending(path)
    if not path.parent.is_dir():
        raise UserError(f"{path}: cannot be written: there is no folder {path.parent}.")
    figure = draw_plan(plan)
    try:
        with replacing(path) as temporary:
            _save(figure, temporary, path.suffix.lower(), title(plan), description(plan))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}.") from error


def _save(figure: Figure, path: Path, ending: str, name: str, words: str) -> None:
    with house_style():
        if ending == ".svg":
            metadata = {"Title": name, "Description": words, "Date": None, "Creator": None}
            FigureCanvasSVG(figure).print_svg(path, metadata=metadata)
        elif ending == ".pdf":
            metadata = {"Title": name, "Subject": words, "CreationDate": None}
            FigureCanvasPdf(figure).print_pdf(path, metadata=metadata)
        else:
            # Very long plans are drawn more coarsely.
            figure.set_dpi(min(_PIXELS_PER_INCH, _MOST_PIXELS / max(figure.get_size_inches())))
            metadata = {"Title": name, "Description": words, "Software": None}
            FigureCanvasAgg(figure).print_png(path, metadata=metadata)
