"""The answer and the main table for the terminal."""

from __future__ import annotations

import textwrap

from cae.comparison.record import Comparison
from cae.comparison.report.sections import tell
from cae.comparison.report.tables import Table
from cae.files import printable
from cae.messages import align

_WIDTH = 100
# Columns are no narrower for their headings.
_NARROWEST = 10


def format_comparison(comparison: Comparison) -> str:
    """Lay out which decoder to use, what that rests on, and the decoders, the best one first."""
    report = tell(comparison)
    lines = [report.title, *textwrap.wrap(report.setting, _WIDTH), "", *textwrap.wrap(report.headline, _WIDTH), ""]
    for name, text in report.card.items:
        indent = " " * 4
        lines += textwrap.wrap(f"{name}: {text}", _WIDTH, initial_indent="  ", subsequent_indent=indent)
    ranking = report.tables()["ranking"]
    lines += ["", *format_table(ranking), *textwrap.wrap(ranking.note, _WIDTH)]
    return "\n".join(printable(line) for line in lines)


def format_table(table: Table) -> list[str]:
    """Put a table's cells in line, with headings broken into several lines."""
    widest = [max(map(len, column), default=0) for column in zip(*table.rows, strict=True)]
    heads = [
        textwrap.wrap(name, max(width, _NARROWEST), break_long_words=False) or [""]
        for name, width in zip(table.columns, widest, strict=True)
    ]
    height = max(map(len, heads))
    heads = [[""] * (height - len(head)) + head for head in heads]
    rows = [*zip(*heads, strict=True), *table.rows]
    lines = align(rows, [number for number in range(len(heads)) if number != table.row_header])
    return [*lines[:height], "-" * max(map(len, lines)), *lines[height:]]
