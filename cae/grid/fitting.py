"""What is checked of all combinations before the first is trained, and decoders of equal size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cae.config import ConfigError, RunConfig
from cae.grid.combination import Combination
from cae.plan import Plan, PlanError, make_plan
from cae.plan.matching import TOLERANCE, match_decoder
from cae.runs.begun import check_start
from cae.text_tables import align

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.config.model import ModelSection
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


def match_parameters(
    configs: Sequence[RunConfig], image_shape_of: Callable[[DataSection], ImageShape], path: Path
) -> list[RunConfig]:
    """Adjust each decoder's width to as many parameters as the first model with the same encoder has.

    Args:
        configs: Of one whole grid, in its order.
        image_shape_of: How to find the shape of the images; called for each configuration.
        path: The configuration file, for messages.

    Returns:
        The configurations, with `decoder.filters` where it was needed: each stands for itself.

    Raises:
        ConfigError: A model does not fit its images, or no width brings it near enough; names every such combination.
    """
    wanted: dict[str, tuple[int, str]] = {}
    matched, problems = [], []
    for config in configs:
        shape = image_shape_of(config.data)
        key = f"{shape} {config.model.encoder!r} {config.model.bottleneck!r}"
        try:
            if key not in wanted:
                wanted[key] = make_plan(config.model, shape).parameters, config.name
            model = match_decoder(config.model, shape, wanted[key][0])
            _check(model, shape, *wanted[key])
        except (PlanError, ConfigError) as error:
            problems.append(f"{path}: {config.name}: {error}")
        else:
            matched.append(config.model_copy(update={"model": model}))
    if problems:
        raise ConfigError("\n".join(problems))
    return matched


def _check(model: ModelSection, shape: ImageShape, wanted: int, name: str) -> None:
    parameters = make_plan(model, shape).parameters
    # Half to either side: any two models are then within the tolerance of each other.
    if abs(parameters - wanted) > TOLERANCE / 2 * wanted:
        if model.decoder.tied_weights:
            raise ConfigError(
                f"match: parameters: tied_weights takes the encoder's kernels, so that no width brings its"
                f" {parameters:,} parameters to the {wanted:,} of {name}. Leave `match` away, or one of the two."
            )
        raise ConfigError(
            f"match: parameters: no decoder width comes within {TOLERANCE / 2:.0%} of the {wanted:,} parameters of"
            f" {name}, so that any two are within {TOLERANCE:.0%}; the nearest,"
            f" model.decoder.filters: {list(model.decoder.filters or ())}, has {parameters:,}."
            " Use a wider encoder, which leaves finer steps, or leave `match` away."
        )
