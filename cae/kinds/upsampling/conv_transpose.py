"""`conv_transpose`: a convolution the other way round, which enlarges by its strides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from cae.kinds.convolutions import TransposedConvolution, activated
from cae.kinds.operations import Operation
from cae.kinds.upsampling import TIED, Place, Stage, UpsamplingKind
from cae.section import Conflict


class ConvTranspose(UpsamplingKind):
    """Transposed convolution."""

    variants = ({"kernel_size": 3}, {"kernel_size": 4})

    kind: Literal["conv_transpose"] = "conv_transpose"
    """A transposed convolution with strides."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 4
    """Side of the square kernel; a multiple of the strides avoids uneven overlap."""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.kernel_size}"

    def plan(self, stage: Stage, filters: int) -> list[Operation]:
        encoder, name, output = stage.encoder, f"{stage.name}_conv_transpose", (*stage.size, filters)
        transposed = TransposedConvolution(
            name, stage.given, output, self.kernel_size, stage.factor, use_bias=encoder.use_bias
        )
        return [transposed, *activated(encoder, name, output)]

    def tied_conflicts(self, place: Place) -> Iterator[Conflict]:
        side = place.encoder.kernel_size
        if self.kernel_size not in (side, ConvTranspose().kernel_size):
            rule = f"has no effect with tied_weights, which takes the encoder's kernels of {side}x{side}"
            yield ((*place.path, "kernel_size"), TIED), f"{rule}; received {self.kernel_size}"
