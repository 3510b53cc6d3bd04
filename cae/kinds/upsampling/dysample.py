"""`dysample`: read each pixel between the old ones at a predicted place, then convolve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import DECODER_FILTERS, FILTERS, Place, Stage, UpsamplingKind
from cae.section import Conflict, listed


@dataclass(frozen=True)
class Sampling(Upsample):
    """Pixels read bilinearly at places that one or two 1x1 convolutions predict."""

    groups: int
    dynamic_scope: bool

    word = "dysample"
    layer = "DySample2D"
    support = 3

    @property
    def _offsets(self) -> int:
        """Of all new pixels of one place."""
        return 2 * self.groups * self.factor**2

    @property
    def parameters(self) -> int:
        return self._offsets * (self.input_shape[2] * (1 + self.dynamic_scope) + 1)

    @property
    def macs(self) -> int:
        height, width, channels = self.input_shape
        return height * width * channels * (self._offsets * (1 + self.dynamic_scope) + 9 * self.factor**2)

    @property
    def workspace(self) -> int:
        height, width, channels = self.input_shape
        return height * width * (self._offsets * (5 + 2 * self.dynamic_scope) + 18 * channels)

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(groups=self.groups, dynamic_scope=self.dynamic_scope, **options)


class DySample(UpsamplingKind):
    """Read pixels at predicted places."""

    variants = ({}, {"dynamic_scope": True})
    can_be_tied = False  # the encoder has no counterpart of what predicts

    kind: Literal["dysample"] = "dysample"
    """Read each pixel bilinearly where a 1x1 convolution says (Liu et al. 2023), then convolve."""
    groups: Annotated[int, Field(ge=1, le=4096)] = 1
    """Groups of channels, each read at places of its own; must divide the channels. The paper takes 4."""
    dynamic_scope: bool = False
    """Whether a second 1x1 convolution says how far from the usual place a pixel may be read ("DySample+")."""

    @property
    def label(self) -> str:
        return "dysample dynamic_scope" if self.dynamic_scope else "dysample"

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_dysample", (*stage.size, stage.given[2])
        return [Sampling(name, stage.given, output, stage.factor, self.groups, self.dynamic_scope)]

    def width_step(self, factor: int) -> int:
        return self.groups

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        if any(channels % self.groups for channels in place.given):
            rule = f"groups must divide the channels of what dysample enlarges; received groups: {self.groups}"
            yield (place.path, DECODER_FILTERS, FILTERS), f"{rule} for {listed(place.given)}"
