"""A report as its readers take it apart."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tables by their identifiers, every element with its attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.elements, self.text = {}, [], []
        self._table = self._cell = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes))
        if tag == "table":
            self._table = self.tables.setdefault(attributes["id"], [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("th", "td"):
            self._cell = []

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self._table[-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data):
        self.text.append(data)
        if self._cell is not None:
            self._cell.append(data)

    def every(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    def records(self, table):
        """Rows as mappings from column to cell."""
        columns, *rows = self.tables[table]
        return [dict(zip(columns, row, strict=True)) for row in rows]


def markdown_tables(text):
    """Tables by their captions, as lists of rows, escapes taken away."""
    tables, caption = {}, None
    for line in text.splitlines():
        if found := re.fullmatch(r"\*\*(.*)\*\*", line):
            caption = found[1]
        elif line.startswith("| "):
            cells = [_plain(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not all(re.fullmatch(":?-+:?", cell) for cell in cells):
                tables.setdefault(caption, []).append(cells)
    return tables


def _plain(cell):
    return re.sub(r"\\(.)", r"\1", cell.strip())
