"""`conv_transpose`: a convolution the other way round, which enlarges by its strides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cae.kinds.convolutions import TransposedConvolution, TransposedStart, activated
from cae.kinds.operations import Operation
from cae.kinds.upsampling import DOWNSAMPLING, TIED, Place, Stage
from cae.kinds.upsampling.blur import BlurringKind
from cae.section import Conflict


class ConvTranspose(BlurringKind):
    """Transposed convolution."""

    variants = ({"kernel_size": 3}, {"kernel_size": 4}, {"kernel_size": 4, "blur": True})

    kind: Literal["conv_transpose"] = "conv_transpose"
    """A transposed convolution with strides."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 4
    """Side of the square kernel; a multiple of the strides avoids uneven overlap."""
    initializer: TransposedStart = "glorot"
    """How kernels start: at random, as a bilinear resize (Long 2015), or alike in all phases (Aitken 2017)."""

    @property
    def words(self) -> list[str]:
        return [str(self.kernel_size), *([self.initializer] if self.initializer != "glorot" else [])]

    def plan(self, stage: Stage, filters: int) -> list[Operation]:
        encoder, name, output = stage.encoder, f"{stage.name}_conv_transpose", (*stage.size, filters)
        transposed = TransposedConvolution(
            *(name, stage.given, output, self.kernel_size, stage.factor),
            use_bias=encoder.use_bias,
            start=self.initializer,
        )
        return [*self.filtered(transposed, stage), *activated(encoder, name, output)]

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        factor = place.encoder.downsampling.factor
        if self.initializer == "equal_phases" and self.kernel_size % factor:
            rule = f"initializer: equal_phases needs a kernel_size that is a multiple of the factor, {factor}"
            yield ((*place.path, "kernel_size"), place.path, DOWNSAMPLING), f"{rule}; received {self.kernel_size}"

    def tied_conflicts(self, place: Place) -> Iterator[Conflict]:
        side = place.encoder.kernel_size
        if self.kernel_size not in (side, ConvTranspose().kernel_size):
            rule = f"has no effect with tied_weights, which takes the encoder's kernels of {side}x{side}"
            yield ((*place.path, "kernel_size"), TIED), f"{rule}; received {self.kernel_size}"
        if self.blur:
            yield ((*place.path, "blur"), TIED), "has no effect with tied_weights, which enlarges by tied kernels alone"
        if self.initializer != "glorot":
            rule = "has no effect with tied_weights, whose kernels start as the encoder's"
            yield ((*place.path, "initializer"), TIED), f"{rule}; received {self.initializer}"
