"""Where the linear path meets the network: both halves are sums that start as the linear map alone."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, Sum
from cae.kinds.operations import Dense, Operation, PartInput, Shape

if TYPE_CHECKING:
    from cae.config.model import ModelSection


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
