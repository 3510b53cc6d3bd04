"""The combinations of a grid, what is there of each, and the share of one job."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from cae.config import RunConfig
from cae.errors import UserError
from cae.runs import RunDirectory
from cae.runs.begun import is_done

Intent = Literal["train", "resume", "skip", "refuse", "leave"]


@dataclass(frozen=True)
class Combination:
    """One run of a grid.

    Args:
        config: Its configuration, with an empty grid.
        directory: Where it is trained.
        intent: `train` from the beginning, `resume` where its checkpoint is, `skip` what is finished, `refuse`
            since something else is there, or `leave` to another process that trains it.
        reason: Why it is not trained; else empty.
    """

    config: RunConfig
    directory: RunDirectory
    intent: Intent
    reason: str = ""

    @property
    def is_pending(self) -> bool:
        """Whether there is something to train."""
        return self.intent in ("train", "resume")


def find_combinations(
    configs: Sequence[RunConfig], runs_dir: Path, *, overwrite: bool, longer: bool = False
) -> list[Combination]:
    """Look at what is there of each run; a run that was begun goes on, unless all start afresh.

    It goes on for more epochs than it was to have only where `longer` says so.

    >>> [combination.intent for combination in find_combinations([RunConfig()], Path("new"), overwrite=False)]
    ['train']
    """
    directories = [RunDirectory(runs_dir / config.experiment / config.name) for config in configs]
    return [
        find_combination(config, directory, overwrite=overwrite, longer=longer)
        for config, directory in zip(configs, directories, strict=True)
    ]


def find_combination(
    config: RunConfig, directory: RunDirectory, *, overwrite: bool, longer: bool = False
) -> Combination:
    """Look at what is there of one run."""
    if holder := directory.lock.holder():
        return Combination(config, directory, "leave", f"{directory.path}: is being trained by {holder}")
    resume = directory.exists and not overwrite
    try:
        if is_done(directory, config, resume=resume, overwrite=overwrite, longer=longer):
            return Combination(config, directory, "skip", f"{directory.status} already")
    except UserError as error:
        return Combination(config, directory, "refuse", str(error))
    return Combination(config, directory, "resume" if resume else "train")


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
