"""`max_unpool`: put values back where their maxima were, then convolve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DECODER_FILTERS, DOWNSAMPLING, FILTERS, Place, Stage, UpsamplingKind
from cae.section import Conflict, listed


@dataclass(frozen=True)
class MaxUnpooling(Upsample):
    """Unpooling by the switches of the pooling of this name."""

    pooling: str

    word = "max_unpool"
    layer = "MaxUnpooling2D"

    @property
    def switches_from(self) -> str | None:
        return self.pooling


class MaxUnpool(UpsamplingKind):
    """Put values back where their maxima were."""

    uses_switches = True

    kind: Literal["max_unpool"] = "max_unpool"
    """Put each value back where its maximum was, zeros elsewhere (Zeiler and Fergus 2014), then convolve."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_max_unpool", (*stage.size, stage.given[2])
        return [MaxUnpooling(name, stage.given, output, stage.factor, f"{stage.name}_pool")]

    def width_step(self, factor: int) -> int:
        return 0

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        downsampling = place.encoder.downsampling
        if not downsampling.records_switches:
            rule = "max_unpool needs max_pool downsampling, which records the switches"
            yield (place.path, DOWNSAMPLING), f"{rule}; received {downsampling.kind}"
        if place.given != place.pooled:
            rule = "stages that max_unpool enlarges must be given as many channels as were pooled"
            message = f"{rule}, {listed(place.pooled)}; received {listed(place.given)}"
            yield (DECODER_FILTERS, FILTERS, place.path), message
