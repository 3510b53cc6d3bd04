"""The kinds of downsampling: pooling, and a convolution with strides."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cae.kinds.operations import Operation, Pool, Shape, SpaceToDepth, Switches
from cae.section import Section

# A switch is stored as one byte, so a window has at most 256 cells.
Window = Annotated[int, Field(ge=2, le=16)]


@dataclass(frozen=True)
class MaxPooling(Pool):
    """Each window's maximum, and where it was if switches are recorded."""

    word = "max_pool"
    layer = "MaxPooling2D"

    def make_layer(self, **options: Any) -> Any:
        if self.switches is None:
            return super().make_layer(**options)
        from cae.layers import MaxPooling2DWithSwitches

        return MaxPooling2DWithSwitches(self.pool_size, self.switches.of, **options)


@dataclass(frozen=True)
class AveragePooling(Pool):
    """Each window's mean."""

    word = "average_pool"
    layer = "AveragePooling2D"


class DownsamplingKind(Section):
    """A kind of downsampling: by how much a stage shrinks, and how."""

    kind: str
    """The word that chooses it."""

    can_be_tied: ClassVar[bool] = True
    """Whether a decoder of the encoder's kernels can go back through it."""

    @property
    @abc.abstractmethod
    def factor(self) -> int:
        """By how much a stage shrinks height and width."""

    @property
    def conv_strides(self) -> int:
        """Strides of the stage's last convolution."""
        return 1

    @property
    def channel_factor(self) -> int:
        """How many times as many channels come out as go in."""
        return 1

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        """Plan the pooling behind the stage's convolutions; none where these shrink by themselves.

        Args:
            name: of the operation.
            shape: of the stage's maps.
            switches: that it must record; None for nothing.
        """
        return []


class _Pooling(DownsamplingKind):
    """Pooling of whole windows."""

    pool_size: Window = 2
    """Side of the square window, and the stage's factor of reduction."""

    operation: ClassVar[type[Pool]]
    """What it is in the plan."""

    @property
    def factor(self) -> int:
        return self.pool_size

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        pooled = (math.ceil(shape[0] / self.pool_size), math.ceil(shape[1] / self.pool_size), shape[2])
        return [self.operation(name, shape, pooled, self.pool_size, switches)]


class MaxPool(_Pooling):
    """Keep each window's maximum."""

    operation = MaxPooling

    kind: Literal["max_pool"] = "max_pool"
    """Keep each window's maximum; the only kind that has switches for `max_unpool`."""


class AveragePool(_Pooling):
    """Keep each window's mean."""

    operation = AveragePooling

    kind: Literal["average_pool"] = "average_pool"
    """Keep each window's mean."""


class StridedConv(DownsamplingKind):
    """Let the stage's last convolution take strides."""

    kind: Literal["strided_conv"] = "strided_conv"
    """Let the stage's last convolution take strides (Springenberg et al. 2015)."""
    strides: Window = 2
    """Strides of that convolution, and the stage's factor of reduction."""

    @property
    def factor(self) -> int:
        return self.strides

    @property
    def conv_strides(self) -> int:
        return self.strides


@dataclass(frozen=True)
class IndexedPooling(Pool):
    """Sums of each window, weighted by indices that are predicted there, and recorded where they are wanted."""

    indices: Literal["soft", "hard"] = "soft"
    of: Literal["per_channel", "per_place"] = "per_channel"

    word = "learned_indices"

    @property
    def summary(self) -> str:
        words = f"{self.word} {self.pool_size}x{self.pool_size} {self.indices} {self.of}"
        return words + (" for another image" if self.switches and self.switches.shuffled else "")

    @property
    def parameters(self) -> int:
        return self.input_shape[2] * self.pool_size**4

    @property
    def macs(self) -> int:
        return math.prod(self.output_shape) * self.pool_size**4

    @property
    def bits_each(self) -> float:
        """Soft indices sum to one: all but one of them are numbers of their own, as wide as those of the code."""
        return super().bits_each if self.indices == "hard" else 32 * (self.pool_size**2 - 1)

    @property
    def workspace(self) -> float:
        return math.prod(self.input_shape[:2]) * (self.input_shape[2] if self.of == "per_channel" else 1)

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import IndexedPooling2D

        return IndexedPooling2D(self.pool_size, self.indices, self.of, self.records_switches, **options)

    def make_fixed_layer(self) -> Any:
        return replace(self, indices="hard").make_layer()


class LearnedIndicesKind(_Pooling):
    """Sum each window, weighted by predicted indices."""

    kind: Literal["learned_indices"] = "learned_indices"
    """Sum each window, weighted by indices that are predicted there, which `learned_indices` takes (Lu et al. 2019)."""
    indices: Literal["soft", "hard"] = "soft"
    """A softmax of predicted scores; or one for the pixel of the largest, which starts as max pooling."""
    switches: Literal["per_channel", "per_place"] = "per_channel"
    """Whether each channel has indices of its own, or all channels of a place share them."""

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        recorded = switches and switches._replace(of=self.switches)
        pooled = (math.ceil(shape[0] / self.pool_size), math.ceil(shape[1] / self.pool_size), shape[2])
        return [IndexedPooling(name, shape, pooled, self.pool_size, recorded, self.indices, self.switches)]


@dataclass(frozen=True)
class Haar(SpaceToDepth):
    """Each square of pixels becomes the bands of a wavelet."""

    @property
    def summary(self) -> str:
        return "haar 2x2"

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import HaarTransform2D

        return HaarTransform2D(**options)


class HaarKind(DownsamplingKind):
    """Turn windows of pixels into the bands of a wavelet."""

    can_be_tied = False

    kind: Literal["haar"] = "haar"
    """Turn squares of 2x2 pixels into a mean and three differences, the orthonormal Haar wavelet (Mallat 1989)."""

    @property
    def factor(self) -> int:
        return 2

    @property
    def channel_factor(self) -> int:
        return 4

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        height, width = (math.ceil(length / 2) for length in shape[:2])
        return [Haar(name, shape, (height, width, 4 * shape[2]), 2)]


class SpaceToDepthKind(_Pooling):
    """Turn windows of pixels into channels."""

    can_be_tied = False

    kind: Literal["space_to_depth"] = "space_to_depth"
    """Turn each window's pixels into channels, for the next convolution to choose from (Sunkara and Luo 2022)."""

    @property
    def channel_factor(self) -> int:
        return self.pool_size**2

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        height, width = (math.ceil(length / self.pool_size) for length in shape[:2])
        return [SpaceToDepth(name, shape, (height, width, shape[2] * self.channel_factor), self.pool_size)]
