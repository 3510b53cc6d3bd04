"""The comparison's files."""

from __future__ import annotations

import json
from pathlib import Path

from cae.atomic_files import filling_folder, write_text
from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.markdown import render_markdown
from cae.comparison.report.page import render_page
from cae.comparison.report.picture import comparison_picture
from cae.pictures.png import save_png


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
