"""`fixed_unpool`: put values to the top-left of their windows, then convolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import Stage, UpsamplingKind

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class FixedUnpooling(Upsample):
    """Unpooling without switches: a value and zeros."""

    @property
    def summary(self) -> str:
        return f"fixed_unpool x{self.factor}"

    @property
    def repeats(self) -> int | None:
        return 1  # cropped or not: only zeros are cut off

    @property
    def convolution_in_version_0_1_0(self) -> str:
        return "fixed_unpooling_conv2d"

    def make_layer(self, **options: Any) -> keras.layers.Layer:
        from cae.layers import FixedUnpooling2D

        return FixedUnpooling2D(self.factor, output_size=self.output_shape[:2], **options)


class FixedUnpool(UpsamplingKind):
    """Put values to the top-left of their windows."""

    kind: Literal["fixed_unpool"] = "fixed_unpool"
    """Put each value to its window's top-left, zeros elsewhere, then convolve: unpooling without switches."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        output = (*stage.size, stage.given[2])
        return [FixedUnpooling(f"{stage.name}_fixed_unpool", stage.given, output, stage.factor)]
