"""The picture as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG

from cae.atomic_files import replacing
from cae.errors import ConfigError, UserError
from cae.plan_figure.boxes import description, title
from cae.plan_figure.draw import draw_plan, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cae.plan.plan import Plan

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
