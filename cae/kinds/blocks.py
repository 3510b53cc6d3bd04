"""Groups of operations that encoder and decoder share."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, Sum
from cae.kinds.operations import Activation, Operation, Shape

if TYPE_CHECKING:
    from cae.config.model import EncoderSection


def convolution(encoder: EncoderSection, name: str, shape: Shape, filters: int, *, strides: int = 1) -> list[Operation]:
    """Convolution, normalisation, activation."""
    output = (math.ceil(shape[0] / strides), math.ceil(shape[1] / strides), filters)
    conv = Convolution(name, shape, output, encoder.kernel_size, strides, encoder.use_bias)
    return [conv, *activated(encoder, name, output)]


def activated(encoder: EncoderSection, name: str, shape: Shape) -> list[Operation]:
    """Normalisation and activation behind a convolution called `name`."""
    return [
        *normalized(encoder, name, shape),
        Activation(f"{name}_{encoder.activation}", shape, shape, encoder.activation),
    ]


def normalized(encoder: EncoderSection, name: str, shape: Shape) -> list[Operation]:
    """Normalisation behind a convolution called `name`, if there is one."""
    return encoder.normalization.normalize(f"{name}_norm", shape)


def residual_blocks(encoder: EncoderSection, name: str, shape: Shape) -> list[Operation]:
    """The stage's residual blocks (He et al. 2016, figure 2): two convolutions with a skip."""
    blocks: list[Operation] = []
    for number in range(1, encoder.residual_blocks + 1):
        block = f"{name}_residual_{number}"
        inside = convolution(encoder, f"{block}_conv_1", shape, shape[2])
        last = Convolution(f"{block}_conv_2", shape, shape, encoder.kernel_size, 1, encoder.use_bias)
        inside += [last, *normalized(encoder, last.name, shape)]
        blocks.append(Sum(block, shape, shape, ((), tuple(inside)), encoder.activation))
    return blocks
