"""Large pictures a few rows at a time, so that what is computed on the way takes little memory."""

from __future__ import annotations

from collections.abc import Iterator

_MOST_PIXELS = 2**20


def row_strips(height: int, width: int) -> Iterator[slice]:
    """Give the rows of a picture in strips of about a million pixels, at least a row each.

    >>> [(strip.start, strip.stop) for strip in row_strips(1500, 2000)]
    [(0, 524), (524, 1048), (1048, 1500)]
    """
    rows = max(1, _MOST_PIXELS // width)
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))
