"""`bilinear_additive`: resize bilinearly and sum neighbouring channels, then convolve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DOWNSAMPLING, FILTERS, Place, Stage, UpsamplingKind
from cae.section import Conflict, listed


@dataclass(frozen=True)
class AdditiveResizing(Upsample):
    """Bilinear resizing of the sums of each factor^2 consecutive channels."""

    word = "bilinear_additive"
    layer = "BilinearAdditive2D"
    support = 2


class BilinearAdditive(UpsamplingKind):
    """Bilinear resize, then sums of neighbouring channels."""

    can_be_tied = False

    kind: Literal["bilinear_additive"] = "bilinear_additive"
    """Bilinear resize, sum each factor^2 consecutive channels (Wojna et al. 2017), then convolve."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_bilinear_additive", (*stage.size, stage.given[2] // stage.factor**2)
        return [AdditiveResizing(name, stage.given, output, stage.factor)]

    def width_step(self, factor: int) -> int:
        return factor**2

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        channels = self.width_step(place.encoder.downsampling.factor)
        if uneven := [filters for filters in place.given if filters % channels]:
            rule = f"bilinear_additive needs filters that are multiples of {channels} (the factor squared)"
            yield (place.path, FILTERS, DOWNSAMPLING), f"{rule}; received {listed(uneven)}"
