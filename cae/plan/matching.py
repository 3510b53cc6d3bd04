"""Widths that give a model as many parameters or multiplications as another; codes of as many bits as switches have."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cae.plan.lowering import computed_macs
from cae.plan.plan import Plan, make_plan

if TYPE_CHECKING:
    from cae.config.model import ModelSection
    from cae.kinds.operations import Shape

# Amounts within this share of each other count as equal ...
TOLERANCE = 0.02
# ... and those further apart, since whole channels leave large steps, are no match at all.
WIDEST_TOLERANCE = 0.10

# Widths are sought between these multiples of the mirror's.
_NARROWEST, _WIDEST = 1 / 16, 16.0
_NUM_SCALES = 200
_LARGEST_STEP = 3

Amount = Callable[[Plan], float]
AMOUNTS: dict[str, Amount] = {"parameters": lambda plan: plan.parameters, "macs": computed_macs}
"""What models can be made alike in, by the word for `match`."""


def match_decoder(
    section: ModelSection, image_shape: Shape, wanted: float, amount: Amount = AMOUNTS["parameters"]
) -> ModelSection:
    """Widen or narrow a decoder until the model has as much of something as can be.

    All widths are scaled by one factor, and each is then rounded up or down; none becomes narrower than the image has
    channels. Stages that must keep their channels keep them: unpooling by switches takes as many as were pooled, and
    tied weights leave no choice at all. A decoder that is within half of `TOLERANCE` stays what it is.

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
        wanted: the amount to come near to.
        amount: of a plan, what is to be alike.

    Returns:
        The section, with `decoder.filters` set unless it is near enough already. How near it came is for the caller
        to see: small models move in large steps.
    """
    widths = Widths(section, image_shape[2])

    def distance(candidate: ModelSection) -> float:
        # On a logarithmic scale: half as many is as far off as twice as many.
        return abs(math.log(amount(make_plan(candidate, image_shape)) / wanted))

    if distance(section) <= TOLERANCE / 2 or not any(widths.steps):
        return section
    best = min(widths.scaled(), key=distance)
    while True:
        nearer = min(widths.neighbours(best), key=distance, default=best)
        if distance(nearer) >= distance(best):
            return best
        best = nearer


class Widths:
    """The widths that a decoder can have.

    Args:
        section: with the widths that are scaled.
        channels: of the image, below which no width goes that was not below before.
    """

    def __init__(self, section: ModelSection, channels: int) -> None:
        self._section, self._own, self.steps = section, section.decoder_outputs, _steps(section)
        self._least = [
            min(own, max(1, math.ceil(channels / step)) * step) if step else own
            for own, step in zip(self._own, self.steps, strict=True)
        ]

    def times(self, scale: float) -> tuple[int, ...]:
        """All widths times one factor, rounded."""
        parts = zip(self._own, self.steps, self._least, strict=True)
        return tuple(max(least, round(own * scale / step) * step) if step else own for own, step, least in parts)

    def scaled(self) -> Iterator[ModelSection]:
        """The decoder with all widths times one factor; for many factors."""
        scales = (_NARROWEST * (_WIDEST / _NARROWEST) ** (number / _NUM_SCALES) for number in range(_NUM_SCALES + 1))
        for filters in dict.fromkeys(map(self.times, scales)):  # narrow ones come up many times
            yield with_filters(self._section, filters)

    def neighbours(self, section: ModelSection) -> Iterator[ModelSection]:
        """The decoder with one stage, or two, a few channels wider or narrower, as long as one factor explains all."""
        moves = [(stage, times * step) for stage, step in enumerate(self.steps) if step for times in _times()]
        for first in moves:
            for second in [(first[0], 0), *(move for move in moves if move[0] > first[0])]:
                filters = list(section.decoder_outputs)
                for stage, change in (first, second):
                    filters[stage] += change
                if self._are_proportional(filters):
                    yield with_filters(section, filters)

    def _are_proportional(self, filters: Sequence[int]) -> bool:
        """Whether all are the own widths times one factor, each rounded up or down."""
        lowest, highest = 0.0, math.inf
        for width, own, step, least in zip(filters, self._own, self.steps, self._least, strict=True):
            if width < least:
                return False
            if step:
                highest = min(highest, (width + step) / own)
                lowest = max(lowest, (width - step) / own if width > least else 0.0)
        return lowest < highest


def _times() -> list[int]:
    return [times for times in range(-_LARGEST_STEP, _LARGEST_STEP + 1) if times]


def _steps(section: ModelSection) -> list[int]:
    """By how many channels the width of each stage may change, from the code outwards; 0 where it may not."""
    decoder = section.decoder
    if decoder.tied_weights or decoder.shortcut != "none" or decoder.keras is not None:
        return [0] * len(section.encoder.filters)
    groups, factor = section.encoder.normalization.width_step, section.encoder.downsampling.factor
    # A stage's width is that of the map that the next one enlarges; the output takes any.
    steps = [upsampling.width_step(factor) for upsampling in section.upsampling_per_stage[1:]] + [1]
    return [math.lcm(groups, step) for step in steps]


def with_filters(section: ModelSection, filters: Sequence[int]) -> ModelSection:
    """The section with these widths of its decoder's stages."""
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
