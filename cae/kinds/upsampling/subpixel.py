"""`subpixel`: convolve to many channels, then lay them out as pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from cae.kinds.convolutions import Convolution, activated
from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import Stage
from cae.kinds.upsampling.blur import BlurringKind


@dataclass(frozen=True)
class DepthToSpace(Upsample):
    """Channels to pixels."""

    # Where what is too much for the output shape is cut off: at the end, as after `SpaceToDepth`, or on both sides.
    crops_end: bool = False

    word = "depth_to_space"
    layer = "DepthToSpace2D"
    maps_in_gradient = 2.0  # channels and pixels trade places. Measured.

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(crops_end=self.crops_end, **options)


class Subpixel(BlurringKind):
    """Convolve, then turn channels into pixels."""

    variants = ({}, {"blur": True})
    can_be_tied = False

    kind: Literal["subpixel"] = "subpixel"
    """Convolve to factor^2 times the channels, then depth to space (Shi 2016), ICNR start (Aitken 2017)."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] | None = None
    """Side of the square kernel; null takes the encoder's."""

    def plan(self, stage: Stage, filters: int) -> list[Operation]:
        encoder, conv, factor = stage.encoder, f"{stage.name}_conv_1", stage.factor
        wide, output = (*stage.given[:2], filters * factor**2), (*stage.size, filters)
        side = self.kernel_size or encoder.kernel_size
        return [
            Convolution(conv, stage.given, wide, side, 1, use_bias=encoder.use_bias, subpixel_factor=factor),
            *self.filtered(DepthToSpace(f"{stage.name}_subpixel", wide, output, factor), stage),
            *activated(encoder, conv, output),
        ]
