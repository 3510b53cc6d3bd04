"""`resize`: interpolate, then convolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from cae.kinds.operations import Operation, Upsample
from cae.kinds.upsampling import Stage, UpsamplingKind

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"]

# How many neighbouring values along a side one resized value is made of.
_SUPPORT: dict[Interpolation, int] = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}


@dataclass(frozen=True)
class Resizing(Upsample):
    """Resizing by a whole factor."""

    interpolation: Interpolation

    layer = "Resize2D"

    @property
    def word(self) -> str:  # type: ignore[override]
        """What the plan calls the operation."""
        return f"resize {self.interpolation}"

    @property
    def support(self) -> int:
        return _SUPPORT[self.interpolation]

    @property
    def repeats(self) -> int | None:
        # A map that is cropped cannot be folded: its border would see what was cut off.
        return self.factor if self.interpolation == "nearest" and not self.is_cropped else None

    @property
    def convolution_in_version_0_1_0(self) -> str:
        return "resize_conv2d" if self.interpolation in ("nearest", "bilinear") else "conv2d"

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(interpolation=self.interpolation, **options)


class Resize(UpsamplingKind):
    """Resize, then convolve."""

    variants = tuple({"interpolation": name} for name in get_args(Interpolation))

    kind: Literal["resize"] = "resize"
    """Resize, then convolve (Odena et al. 2016): no checkerboards."""
    interpolation: Interpolation = "nearest"
    """How values between the known ones are found."""

    @property
    def label(self) -> str:
        return f"{self.kind} {self.interpolation}"

    def enlarge(self, stage: Stage) -> list[Operation]:
        output = (*stage.size, stage.given[2])
        return [Resizing(f"{stage.name}_resize", stage.given, output, stage.factor, self.interpolation)]
