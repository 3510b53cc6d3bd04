"""What a plain word of YAML means: the core schema of YAML 1.2, not PyYAML's YAML 1.1."""

from __future__ import annotations

import re
from collections.abc import Callable

from cae.config.nodes import Scalar

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
        ValueError: The text is a number of more than `MAX_NUMBER_LENGTH` characters.

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
