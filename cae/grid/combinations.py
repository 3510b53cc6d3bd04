"""The combinations of a grid: which of them are trained already, one job's share, and checks before training."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from cae.config import ConfigError, RunConfig
from cae.errors import UserError
from cae.messages import align
from cae.plan import Plan, PlanError, make_plan
from cae.plan.lowering import computed_macs
from cae.runs import RunDirectory
from cae.runs.begun import check_start, is_done

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.training.amount import Amount


Intent = Literal["train", "resume", "skip", "refuse", "leave"]


@dataclass(frozen=True)
class Combination:
    """One run of a grid.

    Args:
        config: its configuration, with an empty grid.
        directory: where it is trained.
        intent: `train` from the beginning, `resume` where its checkpoint is, `skip` what is finished, `refuse`
            since something else is there, or `leave` to another process that trains it.
        reason: why it is not trained; else empty.
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
    """Look at the state of each run; a run that was begun goes on, unless all start afresh.

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
    """Look at the state of one run."""
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
        index: from 1 to `count`.
        count: how many jobs share the grid; at least 1.
    """

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read `I/N` from the command line.

        Raises:
            argparse.ArgumentTypeError: it is not I/N with 1 <= I <= N.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise argparse.ArgumentTypeError(f"must be I/N with 1 <= I <= N, for example 2/4. Received: {text}")
        return cls(int(match[1]), int(match[2]))

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """Return this shard's items, in their order."""
        return items[self.index - 1 :: self.count]


ImageShape = tuple[int, int, int]


def check_plans(
    combinations: Sequence[Combination],
    image_shape_of: Callable[[DataSection], ImageShape],
    path: Path,
    check: Callable[[RunConfig, ImageShape], None] | None = None,
) -> list[Plan]:
    """Find the images and plan the model of each combination.

    Args:
        combinations: of one grid.
        image_shape_of: how to find the shape of the images; called for each configuration.
        path: the configuration file, for messages.
        check: a further check of a configuration and its images, which raises ConfigError.

    Raises:
        ConfigError: models do not fit their images; the message names every such combination.
        UserError: images are missing or damaged.
    """
    plans, problems = [], []
    for combination in combinations:
        shape = image_shape_of(combination.config.data)
        try:
            plans.append(make_plan(combination.config.model, shape))
            if combination.intent == "train":
                check_start(combination.config, plans[-1], lambda line: None)
            if check is not None:
                check(combination.config, shape)
        except (PlanError, ConfigError) as error:
            problems.append(f"{path}: {combination.config.name}: {error}")
    if problems:
        raise ConfigError("\n".join(problems))
    return plans


def format_combinations(combinations: Sequence[Combination], plans: Sequence[Plan], amounts: Sequence[Amount]) -> str:
    """Table of the runs: what is to be done with each, its model's sizes (MACs as computed), how much it is trained."""
    heads = ("run", "to do", "parameters", "MACs", "code values", "switch bits", "batch size", "epochs", "steps")
    rows: list[tuple[str, ...]] = [heads]
    for combination, plan, amount in zip(combinations, plans, amounts, strict=True):
        model = (plan.parameters, computed_macs(plan), plan.code.values, plan.code.switch_bits)
        sizes = (*model, amount.batch_size, amount.epochs, amount.steps)
        rows.append((combination.config.name, combination.intent, *(f"{size:,}" for size in sizes)))
    lines = align(rows, range(2, len(rows[0])))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
