"""The kinds of linear path: a linear way past the network, from image to code and from code to reconstruction."""

from __future__ import annotations

from typing import ClassVar, Literal

from cae.kinds.convolutions import Convolution
from cae.kinds.operations import Dense, Operation, Shape, SpaceToDepth
from cae.kinds.upsampling.subpixel import DepthToSpace
from cae.section import Section

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
