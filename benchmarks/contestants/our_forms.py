"""The program's training step with forms of many or of few multiplications, whatever its rule would choose."""

from __future__ import annotations

from typing import Any

from benchmarks.children import serve
from benchmarks.contestants.ours import OurTraining
from cae.engine import restart_with_huge_pages
from cae.plan import lowering


def make(*, fewer_multiplications: bool, **words: Any) -> OurTraining:
    """Make the worker; the answer of the rule that asks for the processor is given."""
    lowering._Target.multiplications_count = property(lambda target: fewer_multiplications)  # type: ignore[assignment, method-assign]
    return OurTraining(**words)


if __name__ == "__main__":
    restart_with_huge_pages()  # as `train` does
    serve(make)
