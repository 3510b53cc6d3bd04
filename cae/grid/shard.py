"""The part of a grid that one job of several trains."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Every `count`-th combination, starting with the `index`-th; all `count` shards together are the whole grid.

    >>> [Shard.parse(f"{index}/3").part("abcdefgh") for index in (1, 2, 3)]
    ['adg', 'beh', 'cf']

    Args:
        index: From 1 to `count`.
        count: How many jobs share the grid; at least 1.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N` from the command line.

        Raises:
            argparse.ArgumentTypeError: It is not I/N with 1 <= I <= N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise argparse.ArgumentTypeError(f"must be I/N with 1 <= I <= N, for example 2/4. Received: {text}")
        return cls(int(match[1]), int(match[2]))

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """Return this shard's items, in their order."""
        return items[self.index - 1 :: self.count]
