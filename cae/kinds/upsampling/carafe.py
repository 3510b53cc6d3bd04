"""`carafe`: assemble each pixel from a neighbourhood by weights predicted there, then convolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import Stage, UpsamplingKind


@dataclass(frozen=True)
class Reassembly(Upsample):
    """Weighted means of neighbourhoods, whose weights two convolutions predict and a softmax scales."""

    up_kernel: int
    encoder_kernel: int
    compressed_channels: int

    word = "carafe"
    layer = "Carafe2D"

    @property
    def _taps(self) -> int:
        """Of all kernels of one place."""
        return (self.factor * self.up_kernel) ** 2

    @property
    def parameters(self) -> int:
        compressing = (self.input_shape[2] + 1) * self.compressed_channels
        return compressing + (self.compressed_channels * self.encoder_kernel**2 + 1) * self._taps

    @property
    def macs(self) -> int:
        height, width, channels = self.input_shape
        predicting = self.compressed_channels * (channels + self.encoder_kernel**2 * self._taps)
        return height * width * (predicting + self._taps * channels)

    @property
    def support(self) -> int:
        return self.up_kernel

    @property
    def workspace(self) -> int:
        height, width, channels = self.input_shape
        return height * width * (self.compressed_channels + 2 * self._taps + self.up_kernel**2 * channels)

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (max(self.up_kernel, self.encoder_kernel) - 1) * jump, jump / self.factor

    def make_layer(self, **options: Any) -> Any:
        sizes = {name: getattr(self, name) for name in ("up_kernel", "encoder_kernel", "compressed_channels")}
        return super().make_layer(**sizes, **options)


class Carafe(UpsamplingKind):
    """Assemble pixels by predicted weights."""

    can_be_tied = False  # the encoder has no counterpart of what predicts

    kind: Literal["carafe"] = "carafe"
    """Weigh a neighbourhood by a softmax that is predicted at each place (Wang et al. 2019), then convolve."""
    up_kernel: Literal[3, 5, 7] = 5
    """Side of the neighbourhood that each pixel is assembled from."""
    encoder_kernel: Literal[1, 3, 5] = 3
    """Side of the kernel of the convolution that predicts the weights."""
    compressed_channels: Annotated[int, Field(ge=1, le=4096)] = 64
    """Channels that this convolution is given, by a 1x1 convolution."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_carafe", (*stage.size, stage.given[2])
        sizes = (self.up_kernel, self.encoder_kernel, self.compressed_channels)
        return [Reassembly(name, stage.given, output, stage.factor, *sizes)]
