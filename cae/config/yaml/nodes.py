"""YAML values with their places in the file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cae.section import Path as Path

# Longer ones are surely slips, and Python needs quadratic time to read an integer.
MAX_NUMBER_LENGTH = 100

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBERS = {
    "decimal": re.compile(r"[-+]?[0-9]+"),
    "octal": re.compile(r"0o[0-7]+"),
    "hexadecimal": re.compile(r"0x[0-9a-fA-F]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
    "infinity or nan": re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
_READERS: dict[str, Callable[[str], int | float]] = {
    "decimal": int,
    "octal": lambda text: int(text[2:], 8),
    "hexadecimal": lambda text: int(text[2:], 16),
    "float": float,
    "infinity or nan": lambda text: float(text.replace(".", "", 1)),
}


def resolve(text: str) -> Scalar:
    """Return what a word without quotes means.

    `no`, `on`, dates and `1_000` are text, `1e-3` is a number and `010` is ten, other than in YAML 1.1.

    >>> [resolve(text) for text in ("1e-3", "010", "0o10", "no", "true", "~")]
    [0.001, 10, 8, 'no', True, None]

    Raises:
        ValueError: the text is a number of more than `MAX_NUMBER_LENGTH` characters.

    Source:
        YAML 1.2.2, section 10.3.
    """
    if text in _NULL:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    kind = next((kind for kind, pattern in _NUMBERS.items() if pattern.fullmatch(text)), None)
    if kind is None:
        return text
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError(f"a number has at most {MAX_NUMBER_LENGTH} characters; received {len(text)}")
    return _READERS[kind](text)


Scalar = None | bool | int | float | str


@dataclass(frozen=True)
class Place:
    """Where something was written; shown as `configs/a.yaml:12:5`, or as `--set KEY=VALUE`."""

    source: str
    """The file as the user named it, or the whole command line argument."""
    line: int | None = None
    """From 1; None where there is no file."""
    column: int | None = None
    """From 1."""
    key: str | None = None
    """The KEY of `--set KEY=VALUE`."""

    def __str__(self) -> str:
        """Return the place as it stands at the beginning of an error message."""
        return self.source if self.line is None else f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Node:
    """A value with its place, and the place of its key when it stands in a mapping."""

    value: Scalar | list[Node] | dict[str, Node]
    place: Place
    key_place: Place | None = None


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; its text is one line of a `ConfigError`."""

    place: Place
    path: Path
    message: str

    def __str__(self) -> str:
        """Return `place: dotted.key: message`, without the key where the place already shows it."""
        key = dotted(self.path)
        named, message = "" if key in ("", self.place.key) else f"{key}: ", self.message
        typed = self.place.source.partition("=")[2]
        if key == self.place.key and typed.startswith('"'):  # a text, maybe a long one, which the place shows
            message = message.replace(f"; received {typed}", "", 1)
        return _one_line(f"{self.place}: {named}{message}")


def _one_line(text: str) -> str:
    """Write line breaks and everything else that a terminal cannot show as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def dotted(path: Path) -> str:
    """Join a path as it is written on the command line.

    >>> dotted(("model", "encoder", "filters", 1))
    'model.encoder.filters.1'
    """
    return ".".join(part if len(part) <= 60 else f"{part[:60]}..." for part in map(str, path))


def plain(node: Node) -> Any:
    """Return the value without its places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def from_plain(value: Any, place: Place) -> Node:
    """Return the tree of a plain value that stands at `place` as a whole."""
    if isinstance(value, dict):
        return Node({key: from_plain(child, place) for key, child in value.items()}, place, place)
    if isinstance(value, list | tuple):
        return Node([from_plain(child, place) for child in value], place, place)
    return Node(value, place, place)


def num_values(node: Node) -> int:
    """Count the values of a tree, with all that aliases stand for.

    >>> num_values(from_plain({"seed": 1, "data": {"image_size": [28, 28]}}, Place("a.yaml")))
    6
    """
    if isinstance(node.value, dict):
        return 1 + sum(map(num_values, node.value.values()))
    return 1 + sum(map(num_values, node.value)) if isinstance(node.value, list) else 1


def child_of(node: Node, part: str | int) -> Node | None:
    """Return what stands under a key or an index; None when nothing does."""
    if isinstance(node.value, dict):
        return node.value.get(str(part))
    if isinstance(node.value, list) and isinstance(part, int) and 0 <= part < len(node.value):
        return node.value[part]
    return None


def nearest(root: Node, path: Path) -> tuple[Node, int]:
    """Return the node at `path`, or its closest ancestor that was written, and how many parts lead to it."""
    node = root
    for depth, part in enumerate(path):
        child = child_of(node, part)
        if child is None:
            return node, depth
        node = child
    return node, len(path)
