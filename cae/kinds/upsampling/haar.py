"""`haar`: convolve to the four bands of a wavelet, then transform them back to pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from cae.kinds.convolutions import Convolution, activated
from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DOWNSAMPLING, Place, Stage, UpsamplingKind
from cae.section import Conflict


@dataclass(frozen=True)
class InverseHaar(Upsample):
    """Bands to pixels."""

    word = "inverse_haar"
    layer = "InverseHaarTransform2D"
    maps_in_gradient = 2.0  # as with any channels that become pixels

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import InverseHaarTransform2D

        return InverseHaarTransform2D(self.output_shape[:2], **options)


class Haar(UpsamplingKind):
    """Convolve to bands, then transform them to pixels."""

    can_be_tied = False

    kind: Literal["haar"] = "haar"
    """Convolve to a mean and three differences for each square of 2x2 pixels, then invert the Haar wavelet."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] | None = None
    """Side of the square kernel; null takes the encoder's."""

    def plan(self, stage: Stage, filters: int) -> list[Operation]:
        encoder, conv = stage.encoder, f"{stage.name}_conv_1"
        bands, output = (*stage.given[:2], 4 * filters), (*stage.size, filters)
        side = self.kernel_size or encoder.kernel_size
        return [
            Convolution(conv, stage.given, bands, side, 1, use_bias=encoder.use_bias),
            InverseHaar(f"{stage.name}_haar", bands, output, 2),
            *activated(encoder, conv, output),
        ]

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        downsampling = place.encoder.downsampling
        if downsampling.factor != 2:
            message = f"haar enlarges by 2; received {downsampling.kind} by {downsampling.factor}"
            yield (place.path, DOWNSAMPLING), message
