"""`blur: true`: a fixed low-pass filter behind what enlarges, an option of several kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cae.kinds.operations import LayerOperation, Operation
from cae.kinds.upsampling import Stage, UpsamplingKind


@dataclass(frozen=True)
class Blur(LayerOperation):
    """The box of `factor` pixels, twice; at a factor of 2 the binomial filter."""

    factor: int

    is_linear = True

    @property
    def summary(self) -> str:
        side = 2 * self.factor - 1
        return f"blur {side}x{side}"

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import Blur2D

        return Blur2D(self.factor, **options)

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + 2 * (self.factor - 1) * jump, jump


class BlurringKind(UpsamplingKind):
    """A kind behind which the filter may stand."""

    blur: bool = False
    """Whether a fixed filter, (1, 2, 1) / 4 along a side for a factor of 2, stands behind what enlarges."""

    @property
    def label(self) -> str:
        return " ".join([self.kind, *self.words, *(["blur"] if self.blur else [])])

    @property
    def words(self) -> Sequence[str]:
        """The other options that matter, as comparisons name them."""
        return ()

    def filtered(self, enlarging: Operation, stage: Stage) -> list[Operation]:
        """What enlarges, and the filter where it is wanted."""
        shape = enlarging.output_shape
        return [enlarging, *([Blur(f"{enlarging.name}_blur", shape, shape, stage.factor)] if self.blur else [])]
