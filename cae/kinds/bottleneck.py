"""The kinds of bottleneck: what the code is, and how the decoder begins."""

from __future__ import annotations

import abc
from typing import ClassVar, Literal

from cae.kinds.convolutions import Convolution
from cae.kinds.operations import Activation, Dense, Operation, Shape
from cae.section import PositiveInt, Section


class BottleneckKind(Section):
    """A kind of bottleneck: to the code, which is linear, and from it back to the stages' shape.

    An activation on the code would only throw half of it away.
    """

    kind: str
    """The word that chooses it."""

    gives_vector: ClassVar[bool] = False
    """Whether the code is a vector, and not a map."""

    @abc.abstractmethod
    def encode(self, shape: Shape) -> Operation:
        """Plan the operation that gives the code, by the name `latent`."""

    @abc.abstractmethod
    def expand(self, latent: Shape, target: Shape, use_bias: bool) -> list[Operation]:
        """Plan what leads from the code to `target`, by the name `expand`; nothing where they are the same."""


class NoBottleneck(BottleneckKind):
    """The last stage's output is the code."""

    kind: Literal["none"] = "none"
    """The last stage's output is the code."""

    def encode(self, shape: Shape) -> Operation:
        return Activation("latent", shape, shape, "linear")

    def expand(self, latent: Shape, target: Shape, use_bias: bool) -> list[Operation]:
        return []


class SpatialBottleneck(BottleneckKind):
    """A 1x1 convolution to fewer channels."""

    kind: Literal["spatial"] = "spatial"
    """A 1x1 convolution to `channels`, and another one back."""
    channels: PositiveInt = 16
    """Channels of the code."""

    def encode(self, shape: Shape) -> Operation:
        return Convolution("latent", shape, (*shape[:2], self.channels), kernel_size=1, strides=1, use_bias=True)

    def expand(self, latent: Shape, target: Shape, use_bias: bool) -> list[Operation]:
        return [Convolution("expand", latent, target, kernel_size=1, strides=1, use_bias=use_bias)]


class DenseBottleneck(BottleneckKind):
    """A dense layer to a vector."""

    gives_vector = True

    kind: Literal["dense"] = "dense"
    """A dense layer to a vector of `units`, and another one back."""
    units: PositiveInt = 64
    """Length of the code vector."""

    def encode(self, shape: Shape) -> Operation:
        return Dense("latent", shape, (1, 1, self.units), gives_vector=self.gives_vector)

    def expand(self, latent: Shape, target: Shape, use_bias: bool) -> list[Operation]:
        return [Dense("expand", latent, target, use_bias=use_bias)]
