"""Pages for people: one style and one way to fill templates, for all that opens in a browser from disk."""

from __future__ import annotations

import base64
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from cae.files import printable

_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def render(template: str, **values: Any) -> str:
    """Fill a template of `cae/pages/templates`; whatever names contain is shown as it is.

    Example:
        >>> "<title>a&lt;b&gt;</title>" in render("base.html", title="a<b>")
        True

    Args:
        template: the file's name.
        values: what it asks for; one that is missing is an error.

    Returns:
        HTML: styles are inside, and there is no script.
    """
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("cae.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_one_line,
    )
    environment.filters["code_spans"] = code_spans
    return environment


def _one_line(value: Any) -> Any:
    """Names of files may hold control characters, and bytes that no encoding knows."""
    return printable(value) if type(value) is str else value


def code_spans(text: str) -> list[tuple[str, bool]]:
    """Divide a sentence into pieces, each with whether it stands between backticks.

    >>> code_spans("Seeds: `a` has 3.")
    [('Seeds: ', False), ('a', True), (' has 3.', False)]
    """
    # Every second piece is what the group found.
    return [(piece, place % 2 == 1) for place, piece in enumerate(_CODE.split(text)) if piece]


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Put a file into an address, so that a page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
