"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.answer import about_pictures
from cae.comparison.report.curves import draw_curves
from cae.comparison.report.exhibit import error_scale, images_on_page
from cae.comparison.report.rates import draw_rates
from cae.comparison.report.sections import tell
from cae.comparison.report.spectra import draw_spectra
from cae.comparison.report.words import code_spans
from cae.data.file_errors import printable


def render_page(comparison: Comparison, exhibits: Exhibits) -> str:
    """Write the report as HTML.

    Args:
        comparison: what was found.
        exhibits: its pictures.

    Returns:
        The file's content: styles and pictures are inside, there is no script, and names are escaped.
    """
    environment = Environment(
        loader=PackageLoader("cae.comparison.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_one_line,
    )
    environment.filters["code_spans"] = code_spans
    spectra = draw_spectra(comparison, exhibits)
    return environment.get_template("comparison.html").render(
        told=tell(comparison),
        curves=draw_curves(comparison),
        rates=draw_rates(comparison),
        spectra=[spectra] if spectra else [],
        images=images_on_page(comparison, exhibits),
        about_pictures=f"{about_pictures(comparison)} {error_scale()}",
    )


def _one_line(value: Any) -> Any:
    """Names of files may hold control characters, and bytes that no encoding knows."""
    return printable(value) if type(value) is str else value
