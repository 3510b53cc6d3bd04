"""The report's files: the page, written with the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cae.atomic_files import filling_folder, write_text
from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.arms import draw_budgets, draw_tuning
from cae.comparison.report.charts import draw_curves, draw_rates, draw_spectra
from cae.comparison.report.drawing import Drawn
from cae.comparison.report.markdown import render_markdown
from cae.comparison.report.picture import comparison_picture, error_scale, images_on_page
from cae.comparison.report.sections import tell
from cae.pages import render
from cae.pictures import save_png


def render_page(comparison: Comparison, exhibits: Exhibits) -> str:
    """Write the report as HTML.

    Args:
        comparison: what was found.
        exhibits: its pictures.

    Returns:
        The file's content: styles and pictures are inside, there is no script, and names are escaped.
    """
    spectra = draw_spectra(comparison, exhibits)
    return _render(
        "comparison.html",
        comparison,
        spectra=[spectra] if spectra else [],
        images=images_on_page(comparison, exhibits),
        scale=error_scale(),
    )


def render_sections(comparison: Comparison) -> str:
    """Write the report's inside as HTML, without what cannot be drawn from the record alone: images and spectra.

    Args:
        comparison: what was found.

    Returns:
        Elements for a page with the styles of `report.css`; there is no script, and names are escaped.
    """
    return _render("sections.html", comparison, spectra=[], images=[], scale="")


def _render(template: str, comparison: Comparison, spectra: list[Drawn], **pictures: Any) -> str:
    drawn = {
        "charts": [one for one in (draw_rates(comparison), *draw_curves(comparison)) if one],
        "budgets": [one for one in [draw_budgets(comparison)] if one],
        "tuning": [one for one in [draw_tuning(comparison)] if one],
        "spectra": spectra,
    }
    return render(template, report=tell(comparison), drawn_by_name=drawn, **pictures)


def write_report(comparison: Comparison, exhibits: Exhibits, folder: Path) -> None:
    """Write comparison.json, comparison.md, comparison.html and comparison.png; all are either old or new.

    Nothing is written unless all of them could be made. Whoever sees a new comparison.json finds the others in place.

    Args:
        comparison: what was found; all its figures are finite.
        exhibits: its pictures.
        folder: where to; made where it is missing.

    Raises:
        ValueError: there is no image to show, or a figure is not finite.
        OSError: a file cannot be written.
    """
    record = json.dumps(comparison.as_dict(), indent=2, allow_nan=False) + "\n"
    picture = comparison_picture(comparison, exhibits)
    page = render_page(comparison, exhibits)
    text = render_markdown(comparison)
    with filling_folder(folder) as new:
        save_png(picture, new / "comparison.png")
        write_text(new / "comparison.html", page)
        write_text(new / "comparison.md", text)
        write_text(new / "comparison.json", record)
