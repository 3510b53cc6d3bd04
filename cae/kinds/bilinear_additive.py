"""`bilinear_additive`: resize bilinearly and sum neighbouring channels, then convolve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DOWNSAMPLING, FILTERS, Conflict, Path, Stage, UpsamplingKind, listed

if TYPE_CHECKING:
    import keras

    from cae.config.model import EncoderSection


@dataclass(frozen=True)
class AdditiveResizing(Upsample):
    """Bilinear resizing of the sums of each factor^2 consecutive channels."""

    @property
    def summary(self) -> str:
        return f"bilinear_additive x{self.factor}"

    @property
    def support(self) -> int:
        return 2

    def make_layer(self, **options: Any) -> keras.layers.Layer:
        from cae.layers import BilinearAdditive2D

        return BilinearAdditive2D(self.factor, output_size=self.output_shape[:2], **options)


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

    def conflicts(
        self, encoder: EncoderSection, given: Sequence[int], pooled: Sequence[int], path: Path
    ) -> Iterator[Conflict]:
        channels = self.width_step(encoder.downsampling.factor)
        if uneven := [filters for filters in given if filters % channels]:
            rule = f"bilinear_additive needs filters that are multiples of {channels} (the factor squared)"
            yield (path, FILTERS, DOWNSAMPLING), f"{rule}; received {listed(uneven)}"
