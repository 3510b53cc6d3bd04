"""What a command says while it works; its results go to stdout."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm


def tell(line: str) -> None:
    """Show a line to the user, on stderr."""
    print(line, file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress_bar(what: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; what it gives is told the number done and the number of all."""
    with tqdm(
        desc=what, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, delay=1, mininterval=0.5
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show
