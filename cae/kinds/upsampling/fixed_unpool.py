"""`fixed_unpool`: put values to the top-left of their windows, then convolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import Stage
from cae.kinds.upsampling.blur import BlurringKind


@dataclass(frozen=True)
class FixedUnpooling(Upsample):
    """Unpooling without switches: a value and zeros."""

    word = "fixed_unpool"
    layer = "FixedUnpooling2D"
    repeats = 1  # cropped or not: only zeros are cut off
    convolution_in_version_0_1_0 = "fixed_unpooling_conv2d"


class FixedUnpool(BlurringKind):
    """Put values to the top-left of their windows."""

    variants = ({}, {"blur": True})

    kind: Literal["fixed_unpool"] = "fixed_unpool"
    """Put each value to its window's top-left, zeros elsewhere, then convolve: unpooling without switches."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        output = (*stage.size, stage.given[2])
        unpooling = FixedUnpooling(f"{stage.name}_fixed_unpool", stage.given, output, stage.factor)
        return self.filtered(unpooling, stage)
