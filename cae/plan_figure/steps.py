"""What the figure shows: boxes for operations, which of them face each other, and links between them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Sum, TiedConvolution
from cae.kinds.operations import Operation, Pool, Shape, SpaceToDepth, Upsample
from cae.plan.plan import grouped

if TYPE_CHECKING:
    from cae.plan.plan import Plan

_STAGE = re.compile(r"stage_(\d+)_")


@dataclass(frozen=True)
class Step:
    """An operation with a place of its own, with the normalisation, activation and dropout behind it."""

    operations: tuple[Operation, ...]

    @property
    def name(self) -> str:
        """The operation's name in the plan."""
        return self.operations[0].name

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of what it gives."""
        return self.operations[-1].output_shape

    @property
    def summary(self) -> str:
        """What is done, in a few words."""
        return ", ".join(operation.summary for operation in self.operations if operation.summary != "linear")

    @property
    def parameters(self) -> int:
        """Number of weights of its own."""
        return sum(operation.parameters for operation in self.operations)

    @property
    def has_kernel(self) -> bool:
        """Whether it multiplies with weights, its own or another's."""
        return self.operations[0].macs > 0

    @property
    def is_residual(self) -> bool:
        """Whether a skip leads around it."""
        return isinstance(self.operations[0], Sum)

    @property
    def goes_round(self) -> bool:
        """Whether it adds what has gone round all steps before it."""
        return isinstance(self.operations[0], Sum) and self.operations[0].goes_round

    @property
    def inner(self) -> tuple[Operation, ...]:
        """Its operations, those inside of residual blocks included."""
        return tuple(_unfolded(self.operations))

    @property
    def stage(self) -> int | None:
        """Number of the stage it belongs to; None before, between and after the stages."""
        found = _STAGE.match(self.name)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Link:
    """Something that goes from the encoder straight to the decoder.

    Args:
        kind: `switches` or `tied`.
        source: name of the encoder's step.
        target: name of the decoder's step.
        operation: name of the operation that uses it: the step, or a convolution inside.
        label: what goes there.
    """

    kind: str
    source: str
    target: str
    operation: str
    label: str


@dataclass(frozen=True)
class Row:
    """Two steps that face each other; either may be missing."""

    encoder: Step | None
    decoder: Step | None
    band: int


def as_text(shape: Sequence[int]) -> str:
    """Height, width and channels as people write them: 28x28x32."""
    return "x".join(str(size) for size in shape)


def make_steps(operations: Sequence[Operation]) -> list[Step]:
    """One step for each row of the plan's table."""
    return [Step(tuple(group)) for group in grouped(operations)]


def make_rows(plan: Plan) -> list[Row]:
    """Lay encoder and decoder side by side, the image's end first, stage beside stage.

    Within a stage, pooling faces unpooling and a kernel faces the operation that is tied to it.
    """
    encoder = make_steps(plan.encoder)
    bottom = 1 + max(step.stage or 0 for step in encoder)
    given = _bands(encoder, before=1, after=bottom)
    taken = _bands(make_steps(plan.decoder), before=bottom, after=1)
    rows = []
    for band in range(1, bottom + 1):
        left, right = given.get(band, []), taken.get(band, [])[::-1]
        has_ties = any(isinstance(operation, TiedConvolution) for step in right for operation in step.inner)
        number = max(len(left), len(right))
        pairs = zip(_spread(left, number, has_ties), _spread(right, number, has_ties), strict=True)
        rows += [Row(*pair, band) for pair in pairs]
    return rows


def make_links(plan: Plan) -> list[Link]:
    """Find each unpooling's switches and each tied kernel, from the image's end."""
    owners = {operation.name: step.name for step in make_steps(plan.encoder) for operation in step.inner}
    bits = {pool.name: math.ceil(pool.switch_bits) for pool in plan.switches}
    links = []
    for step in reversed(make_steps(plan.decoder)):
        for operation in reversed(step.inner):
            if isinstance(operation, Upsample) and operation.switches_from:
                pool = operation.switches_from
                label = f"switches, {bits[pool]:,} bits" if bits[pool] else "switches of another image"
                links.append(Link("switches", owners[pool], step.name, operation.name, label))
            elif isinstance(operation, TiedConvolution):
                label = f"kernel {as_text(_encoder_kernel(operation))}"
                links.append(Link("tied", owners[operation.tied_to], step.name, operation.name, label))
    return links


def _encoder_kernel(operation: TiedConvolution) -> tuple[int, ...]:
    """(height, width, input channels, output channels) as the encoder uses it: the decoder goes the other way."""
    return (operation.kernel_size, operation.kernel_size, operation.output_shape[2], operation.input_shape[2])


def _unfolded(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        if isinstance(operation, Sum):
            yield from _unfolded(operation.operations)


def _bands(steps: Sequence[Step], before: int, after: int) -> dict[int, list[Step]]:
    """Steps by stage; those before and behind all stages go to the stages `before` and `after`."""
    stages = [step.stage for step in steps]
    first = next((place for place, stage in enumerate(stages) if stage), len(steps))
    bands: dict[int, list[Step]] = {}
    for place, step in enumerate(steps):
        bands.setdefault(step.stage or (before if place < first else after), []).append(step)
    return bands


def _spread(steps: Sequence[Step], number: int, has_ties: bool) -> list[Step | None]:
    """Fill a column from the top, with what shrinks or enlarges the picture at its bottom.

    Beside ties, only what has no kernel may leave its place.
    """
    upper, lower = list(steps), list[Step]()
    if upper and (isinstance(upper[-1].operations[0], Pool | SpaceToDepth | Upsample) or not has_ties):
        lower.append(upper.pop())
    gap = itertools.repeat(None, number - len(steps))
    return [*upper, *gap, *lower]
