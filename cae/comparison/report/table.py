"""The report's tables as text, before they become Markdown or HTML: so that both have the same figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cae.comparison.record import Comparison, Contender, Estimate
from cae.comparison.report.words import estimate_text, metric_title


@dataclass(frozen=True)
class Table:
    """A table of text.

    Args:
        caption: what it shows.
        columns: names of the columns.
        rows: cells, as many in each row as there are columns.
        row_header: the column that names each row.
        note: what must be known to read it; may be empty.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    row_header: int = 0
    note: str = ""


def estimates_table(
    caption: str,
    comparison: Comparison,
    names: Sequence[str],
    estimates_of: Callable[[Contender], Mapping[str, Estimate]],
    note: str = "",
) -> Table:
    """Make a table of estimates with their intervals: a row for each contender, a column for each name."""
    rows = [
        (contender.label, *(estimate_text(name, estimates_of(contender).get(name)) for name in names))
        for contender in comparison.contenders
    ]
    return Table(caption, ("decoder", *map(metric_title, names)), tuple(rows), 0, note)
