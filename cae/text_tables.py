"""Tables for terminals: columns in line."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def align(rows: Sequence[Sequence[str]], numbers: Collection[int]) -> list[str]:
    """Put the cells of rows in line.

    Example:
        >>> align([("run", "parameters"), ("small", "9")], numbers=[1])
        ['run    parameters', 'small           9']

    Args:
        rows: Each of as many cells.
        numbers: Columns, from 0, whose cells end at the same place; those of the others begin there.

    Returns:
        A line for each row, without spaces at its end.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
