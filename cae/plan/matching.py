"""Decoder widths that give a model as many parameters as another one, and codes of as many bits as switches have."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cae.plan.plan import Plan, make_plan

if TYPE_CHECKING:
    from cae.config.model import ModelSection
    from cae.kinds.operations import Shape

# Counts within this share of each other count as equal.
TOLERANCE = 0.02

# Widths are sought between these multiples of the mirror's.
_NARROWEST, _WIDEST = 1 / 16, 16.0
_NUM_SCALES = 200
_LARGEST_STEP = 3


def match_decoder(section: ModelSection, image_shape: Shape, parameters: int) -> ModelSection:
    """Widen or narrow a decoder until the model's number of parameters is as near as can be.

    All stages are scaled alike, then single ones by a few channels. Stages that must keep their channels keep them:
    unpooling by switches takes as many as were pooled, and tied weights leave no choice at all. A decoder that is
    within half of `TOLERANCE` stays what it is.

    Example:
        >>> from cae.config.model import ModelSection
        >>> section = ModelSection.model_validate({"decoder": {"upsampling": "subpixel"}})
        >>> resized = make_plan(ModelSection(), (28, 28, 1)).parameters
        >>> matched = match_decoder(section, (28, 28, 1), resized)
        >>> abs(make_plan(matched, (28, 28, 1)).parameters / resized - 1) < TOLERANCE
        True

    Args:
        section: the `model` section.
        image_shape: (height, width, channels).
        parameters: the number to come near to.

    Returns:
        The section, with `decoder.filters` set unless it is near enough already. How near it came is for the caller
        to see: small models move in large steps.
    """

    def distance(candidate: ModelSection) -> float:
        # On a logarithmic scale: half as many is as far off as twice as many.
        return abs(math.log(make_plan(candidate, image_shape).parameters / parameters))

    if distance(section) <= TOLERANCE / 2 or not any(_steps(section)):
        return section
    best = min(_scaled(section), key=distance)
    while True:
        nearer = min(_neighbours(best), key=distance, default=best)
        if distance(nearer) >= distance(best):
            return best
        best = nearer


def _scaled(section: ModelSection) -> Iterator[ModelSection]:
    steps, outputs = _steps(section), section.decoder_outputs
    for number in range(_NUM_SCALES + 1):
        scale = _NARROWEST * (_WIDEST / _NARROWEST) ** (number / _NUM_SCALES)
        yield _with_filters(
            section,
            [
                max(step, round(filters * scale / step) * step) if step else filters
                for filters, step in zip(outputs, steps, strict=True)
            ],
        )


def _neighbours(section: ModelSection) -> Iterator[ModelSection]:
    """The decoder with one stage, or two, a few channels wider or narrower."""
    outputs, steps = section.decoder_outputs, _steps(section)
    moves = [(stage, times * step) for stage, step in enumerate(steps) if step for times in _times()]
    for first in moves:
        for second in [(first[0], 0), *(move for move in moves if move[0] > first[0])]:
            filters = list(outputs)
            for stage, change in (first, second):
                filters[stage] += change
            if min(filters) >= 1:
                yield _with_filters(section, filters)


def _times() -> list[int]:
    return [times for times in range(-_LARGEST_STEP, _LARGEST_STEP + 1) if times]


def _steps(section: ModelSection) -> list[int]:
    """By how many channels the width of each stage may change, from the code outwards; 0 where it may not."""
    if section.decoder.tied_weights or section.decoder.shortcut != "none":
        return [0] * len(section.encoder.filters)
    groups, factor = section.encoder.normalization.width_step, section.encoder.downsampling.factor
    # A stage's width is that of the map that the next one enlarges; the output takes any.
    steps = [upsampling.width_step(factor) for upsampling in section.upsampling_per_stage[1:]] + [1]
    return [math.lcm(groups, step) for step in steps]


def _with_filters(section: ModelSection, filters: list[int]) -> ModelSection:
    return section.model_copy(update={"decoder": section.decoder.model_copy(update={"filters": tuple(filters)})})


def match_bits(plan: Plan, switch_bits: float, bits_per_value: float) -> dict[str, Any] | None:
    """Find the code that has as many bits without switches as the model's has with them.

    Example:
        >>> from cae.config.model import ModelSection
        >>> plan = make_plan(ModelSection(), (28, 28, 1))  # a code of 7x7x16
        >>> match_bits(plan, switch_bits=2000.0, bits_per_value=8.0)["words"]
        'model.decoder.upsampling=fixed_unpool model.bottleneck.kind=spatial model.bottleneck.channels=21'

    Args:
        plan: of the model with switches.
        switch_bits: of an image's switches.
        bits_per_value: of a value of the code; a larger code is taken to have as many.

    Returns:
        `channels` of the larger code (the length of a vector), those it has `instead_of`, and `words`, KEY=VALUE for
        the command line and keys for a grid; None where nothing is to be matched.
    """
    height, width, channels = plan.latent_shape
    if switch_bits <= 0 or bits_per_value <= 0:
        return None
    wanted = channels + max(1, round(switch_bits / bits_per_value / (height * width)))
    code = ("dense", "units") if plan.code_is_vector else ("spatial", "channels")
    words = f"model.bottleneck.kind={code[0]} model.bottleneck.{code[1]}={wanted}"
    return {
        "channels": wanted,
        "instead_of": channels,
        "words": f"model.decoder.upsampling=fixed_unpool {words}",
    }
