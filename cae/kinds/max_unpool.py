"""`max_unpool`: put values back where their maxima were, then convolve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DECODER_FILTERS, DOWNSAMPLING, FILTERS, Conflict, Path, Stage, UpsamplingKind, listed

if TYPE_CHECKING:
    import keras

    from cae.config.model import EncoderSection


@dataclass(frozen=True)
class MaxUnpooling(Upsample):
    """Unpooling by the switches of the pooling of this name."""

    pooling: str

    @property
    def switches_from(self) -> str | None:
        return self.pooling

    @property
    def summary(self) -> str:
        return f"max_unpool x{self.factor}"

    def make_layer(self, **options: Any) -> keras.layers.Layer:
        from cae.layers import MaxUnpooling2D

        return MaxUnpooling2D(self.factor, output_size=self.output_shape[:2], **options)


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

    def conflicts(
        self, encoder: EncoderSection, given: Sequence[int], pooled: Sequence[int], path: Path
    ) -> Iterator[Conflict]:
        if not encoder.downsampling.records_switches:
            rule = "max_unpool needs max_pool downsampling, which records the switches"
            yield (path, DOWNSAMPLING), f"{rule}; received {encoder.downsampling.kind}"
        if given != pooled:
            rule = f"stages that max_unpool enlarges must be given as many channels as were pooled, {listed(pooled)}"
            yield (DECODER_FILTERS, FILTERS, path), f"{rule}; received {listed(given)}"
