"""The report as text: Markdown that is read as plain text too, and the answer with the main table for the terminal."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from cae.comparison.record import Comparison
from cae.comparison.report.formatting import sentence
from cae.comparison.report.sections import Facts, Part, Pictures, Sentences, tell
from cae.comparison.report.tables import Table
from cae.files import printable
from cae.messages import align
from cae.pages import code_spans

# What would begin something in Markdown or HTML. An underscore inside a word does not, and names have many of them.
_SPECIAL = re.compile(r"[\\`*{}\[\]<>#|$~&]|(?<![^\W_])_|_(?![^\W_])")


def render_markdown(comparison: Comparison) -> str:
    """Write the report as Markdown.

    Args:
        comparison: what was found.

    Returns:
        The file's content. Names are escaped: none of them can become markup.
    """
    report = tell(comparison)
    parts = [
        f"# {escape_markdown(report.title)}",
        escape_markdown(report.setting),
        f"**{escape_markdown(report.headline)}**",
        _facts(report.card),
        *_list_of("Warnings", report.warnings),
    ]
    for section in report.sections:
        parts.append(f"## {section.title}")
        for part in section.parts:
            parts += _part(part)
    return "\n\n".join(parts) + "\n"


def _part(part: Part) -> list[str]:
    match part:
        case Table():
            return [markdown_table(part)]
        case Sentences():
            return _list_of(part.heading, part.items)
        case Facts():
            return [_facts(part)]
        case Pictures(name="images"):
            return ["![The same images under every decoder, with error maps](comparison.png)", part.about]
    return []


def escape_markdown(text: str) -> str:
    r"""Make text stand for itself on one line.

    >>> print(escape_markdown("max_unpool <b> | `a` *b* _c_"))
    max_unpool \<b\> \| \`a\` \*b\* \_c\_

    Args:
        text: anything.
    """
    return _escaped(printable(sentence(text)))


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: "\\" + found.group(), text)


def _with_code(text: str) -> str:
    """Escape a sentence, except between backticks, which Markdown does not interpret."""
    pieces = code_spans(printable(sentence(text)))
    return "".join(f"`{piece}`" if is_code else _escaped(piece) for piece, is_code in pieces)


def markdown_table(table: Table) -> str:
    """A caption, the table with columns in line, and its note."""
    lines = [[escape_markdown(cell) for cell in cells] for cells in (table.columns, *table.rows)]
    numbers = {column for column in range(len(lines[0])) if column != table.row_header and _is_numeric(table, column)}
    rule = ["--:" if column in numbers else ":--" for column in range(len(lines[0]))]
    heads, rule_line, *rest = align([lines[0], rule, *lines[1:]], numbers, between=" | ")
    rule_line = rule_line.replace(" ", "-").replace("-|-", " | ")
    text = "\n".join(f"| {line} |" for line in (heads, rule_line, *rest))
    note = f"\n\n{escape_markdown(table.note)}" if table.note else ""
    return f"**{escape_markdown(table.caption)}**\n\n{text}{note}"


def _is_numeric(table: Table, column: int) -> bool:
    return all(row[column][:1] in "+-0123456789" for row in table.rows)


def _list_of(heading: str, sentences: Iterable[str]) -> list[str]:
    lines = [f"- {_with_code(one)}" for one in sentences]
    return [*([f"**{heading}**"] if heading else []), "\n".join(lines)] if lines else []


def _facts(facts: Facts) -> str:
    return "\n".join(f"- {escape_markdown(name)}: {escape_markdown(words)}" for name, words in facts.items)


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
