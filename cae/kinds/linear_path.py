"""The kinds of linear path, a linear way past the network, and where it meets encoder and decoder."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar, Literal

from cae.kinds.convolutions import Convolution, Sum
from cae.kinds.operations import Dense, Operation, PartInput, Shape, SpaceToDepth
from cae.kinds.upsampling.subpixel import DepthToSpace
from cae.section import Section

if TYPE_CHECKING:
    from cae.config.model import ModelSection


# What the names of its operations begin with, in the encoder and in the decoder.
NAME = "linear_path"


class LinearPathKind(Section):
    """A kind of linear path: two linear maps, to whose results those of encoder and decoder are added."""

    kind: str
    """The word that chooses it."""

    init: ClassVar[str | None] = None
    """Which `model.init` fits it to images."""
    bottlenecks: ClassVar[tuple[str, ...]] = ()
    """The bottlenecks whose code it can be added to; none where there is no path."""

    def encode(self, image: Shape, latent: Shape, factor: int, is_vector: bool) -> list[Operation]:
        """Plan the map from the image to the code; nothing where there is none.

        Args:
            image: (height, width, channels).
            latent: of the code.
            factor: by how much the encoder shrinks height and width.
            is_vector: whether the code is a vector.
        """
        return []

    def decode(self, latent: Shape, image: Shape, factor: int) -> list[Operation]:
        """Plan the map from the code to the reconstruction; arguments alike."""
        return []


class NoLinearPath(LinearPathKind):
    """No linear path."""

    kind: Literal["none"] = "none"
    """No linear path."""


class BlockLinearPath(LinearPathKind):
    """A linear map of each block of pixels to its place in the code, and back."""

    init = "klt"
    bottlenecks = ("spatial",)

    kind: Literal["block"] = "block"
    """Add a linear map of each block of pixels to the code, and of the code to the reconstruction (a block KLT)."""
    trainable: bool = True
    """Whether training changes the two maps."""

    def encode(self, image: Shape, latent: Shape, factor: int, is_vector: bool) -> list[Operation]:
        blocks = (*latent[:2], image[2] * factor**2)
        return [
            SpaceToDepth(f"{NAME}_blocks", image, blocks, factor),
            Convolution(NAME, blocks, latent, 1, 1, use_bias=True, trainable=self.trainable),
        ]

    def decode(self, latent: Shape, image: Shape, factor: int) -> list[Operation]:
        blocks = (*latent[:2], image[2] * factor**2)
        return [
            Convolution(NAME, latent, blocks, 1, 1, use_bias=True, trainable=self.trainable),
            DepthToSpace(f"{NAME}_pixels", blocks, image, factor, crops_end=True),
        ]


class GlobalLinearPath(LinearPathKind):
    """A linear map of all pixels to all values of the code, and back."""

    init = "pca"
    bottlenecks = ("spatial", "dense")

    kind: Literal["global"] = "global"
    """Add a linear map of all pixels to the code, and of the code to the reconstruction (PCA); one image size only."""
    trainable: bool = False
    """Whether training changes the two maps; at usual learning rates that destroys them."""

    def encode(self, image: Shape, latent: Shape, factor: int, is_vector: bool) -> list[Operation]:
        return [Dense(NAME, image, latent, gives_vector=is_vector, trainable=self.trainable)]

    def decode(self, latent: Shape, image: Shape, factor: int) -> list[Operation]:
        return [Dense(NAME, latent, image, trainable=self.trainable)]


def starting_at_zero(section: ModelSection, last: Operation) -> Operation:
    """The last layer of encoder or decoder; beside a linear path it starts at zero."""
    if not section.linear_path.bottlenecks:
        return last
    assert isinstance(last, Convolution | Dense)
    return dataclasses.replace(last, zero_start=True)


def plus_linear_code(section: ModelSection, image: Shape, latent: Shape) -> list[Operation]:
    """Plan what makes the code of the encoder's output: the sum with a linear map of the image."""
    mapping = section.linear_path.encode(image, latent, section.factor, section.bottleneck.gives_vector)
    return _plus("code", PartInput("image", latent, image), mapping)


def plus_linear_reconstruction(section: ModelSection, latent: Shape, image: Shape) -> list[Operation]:
    """Plan what makes the reconstruction of the decoder's output: the sum with a linear map of the code."""
    mapping = section.linear_path.decode(latent, image, section.factor)
    return _plus("output_sum", PartInput("code", image, latent), mapping)


def _plus(name: str, begin: PartInput, mapping: list[Operation]) -> list[Operation]:
    shape = begin.input_shape
    return [Sum(name, shape, shape, ((), (begin, *mapping)), "linear")] if mapping else []
