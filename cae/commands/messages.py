"""What a command says while it works; its results go to stdout."""

from __future__ import annotations

import sys


def tell(line: str) -> None:
    """Show a line to the user, on stderr."""
    print(line, file=sys.stderr, flush=True)
