"""Make the pictures in `docs/upsampling/` and the tables in `docs/upsampling.md` again.

    python -m docs.upsampling

The same packages give the same bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docs.upsampling import checkerboards, folding, kinds, leaks, maps, parameters, sizes, transposed, unpooling

FIGURES = {
    "unpooling": unpooling,
    "transposed": transposed,
    "maps": maps,
    "folding": folding,
    "checkerboards": checkerboards,
    "sizes": sizes,
    "parameters": parameters,
    "leaks": leaks,
}
TABLES = {"kinds": kinds, "sizes": sizes, "parameters": parameters, "leaks": leaks}
DOCUMENT = Path(__file__).parents[1] / "upsampling.md"


def save_figures(folder: Path) -> None:
    """Write every picture into a folder."""
    for name, figure in FIGURES.items():
        found = figure.numbers()
        figure.draw(found).save(folder / f"{name}.png", found)
    transposed.save_animation(folder / "transposed.gif", transposed.numbers())


def with_tables(text: str) -> str:
    """The document's text, with what stands between the tables' marks made again."""
    for name, source in TABLES.items():
        begin, end = f"<!-- table {name} -->\n", "<!-- end of table -->\n"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = before + begin + markdown(source.table()) + end + after
    return text


def markdown(rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown; columns of numbers stand to the right.

    Example:
        >>> print(markdown([("kind", "weights"), ("resize", 1200)]), end="")
        | kind | weights |
        |---|--:|
        | resize | 1,200 |
    """
    header, *body = rows
    rules = ["--:" if str(cell).replace(",", "").isdigit() else "---" for cell in body[0]]
    lines = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in (header, *body)]
    written = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([written[0], "|" + "|".join(rules) + "|", *written[1:]]) + "\n"


def main() -> None:
    """Write pictures and tables."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.upsampling", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    save_figures(Path(__file__).parent)
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
