"""What is checked of all combinations before the first is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cae.config import ConfigError, RunConfig
from cae.grid.combination import Combination
from cae.plan import Plan, PlanError, make_plan
from cae.runs.begun import check_start
from cae.text_tables import align

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.training.amount import Amount

ImageShape = tuple[int, int, int]


def check_plans(
    combinations: Sequence[Combination],
    image_shape_of: Callable[[DataSection], ImageShape],
    path: Path,
    check: Callable[[RunConfig, ImageShape], None] | None = None,
) -> list[Plan]:
    """Find the images and plan the model of each combination.

    Args:
        combinations: Of one grid.
        image_shape_of: How to find the shape of the images; called for each configuration.
        path: The configuration file, for messages.
        check: A further check of a configuration and its images, which raises ConfigError.

    Raises:
        ConfigError: Models do not fit their images; the message names every such combination.
        UserError: Images are missing or damaged.
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
    """Table of the runs: what is to be done with each, the sizes of its model, and how much it is trained."""
    heads = ("run", "to do", "parameters", "MACs", "code values", "switch bits", "batch size", "epochs", "steps")
    rows: list[tuple[str, ...]] = [heads]
    for combination, plan, amount in zip(combinations, plans, amounts, strict=True):
        model = (plan.parameters, plan.macs, plan.code.values, plan.code.switch_bits)
        sizes = (*model, amount.batch_size, amount.epochs, amount.steps)
        rows.append((combination.config.name, combination.intent, *(f"{size:,}" for size in sizes)))
    lines = align(rows, range(2, len(rows[0])))
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
