"""The decoder's operations: the encoder's mirror, with the chosen upsampling in each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cae.kinds.blocks import activated, convolution, enlarged, residual_blocks
from cae.kinds.convolutions import Convolution, TransposedConvolution
from cae.kinds.operations import Activation, Operation, Shape, Upsample
from cae.plan.encoder import plan_expansion
from cae.plan.tied import plan_tied_stages

if TYPE_CHECKING:
    from cae.config.model import ModelSection, Upsampling


def plan_decoder(
    section: ModelSection, image_channels: int, stage_shapes: Sequence[Shape], latent: Shape
) -> list[Operation]:
    """Plan from the code to the reconstruction.

    Args:
        section: the `model` section.
        image_channels: channels of the reconstruction.
        stage_shapes: what the encoder's stages had before their downsampling, first stage first, and last the
            shape that entered the bottleneck. Each decoder stage restores one of them, last stage first.
        latent: shape of the code.
    """
    shape = stage_shapes[-1]
    operations = plan_expansion(section, latent, shape)
    if section.decoder.tied_weights:
        return operations + plan_tied_stages(section, image_channels, stage_shapes)
    num_stages = len(section.encoder.filters)
    stages = range(num_stages, 0, -1)
    for stage, upsampling, filters in zip(stages, section.upsampling_per_stage, section.decoder_outputs, strict=True):
        height, width, mirrored = stage_shapes[stage - 1]
        target = (height, width, filters if section.decoder.filters else mirrored)
        operations += _plan_stage(section, f"stage_{stage}", upsampling, shape, target, filters)
        shape = operations[-1].output_shape
    return operations + _plan_output(section, shape, image_channels)


def _plan_stage(
    section: ModelSection, name: str, upsampling: Upsampling, shape: Shape, target: Shape, filters: int
) -> list[Operation]:
    """Upsample to the target's height and width, convolve with its channels, and at last to `filters`."""
    encoder = section.encoder
    widths = [target[2]] * (encoder.convs_per_stage - 1) + [filters]
    operations = _upsample_and_convolve(section, name, upsampling, shape, (*target[:2], widths[0]))
    for number, width in enumerate(widths[1:], start=2):
        shape = operations[-1].output_shape
        operations += convolution(encoder, f"{name}_conv_{number}", shape, width)
    return operations + residual_blocks(encoder, name, operations[-1].output_shape)


def _upsample_and_convolve(
    section: ModelSection, name: str, upsampling: Upsampling, shape: Shape, target: Shape
) -> list[Operation]:
    """The stage's upsampling together with its first convolution: the one place where the kinds differ."""
    encoder = section.encoder
    factor = encoder.downsampling.factor
    conv, up = f"{name}_conv_1", f"{name}_{upsampling.kind}"
    use_bias = encoder.normalization.kind == "none"
    if upsampling.kind == "conv_transpose":
        transposed = TransposedConvolution(up, shape, target, upsampling.kernel_size, factor, use_bias)
        return [transposed, *activated(encoder, up, target)]
    if upsampling.kind == "subpixel":
        wide = (shape[0], shape[1], target[2] * factor**2)
        convolved = Convolution(conv, shape, wide, encoder.kernel_size, 1, use_bias, subpixel_factor=factor)
        shuffle = Upsample(up, wide, target, "depth_to_space", factor)
        return [convolved, shuffle, *activated(encoder, conv, target)]
    channels = shape[2] // factor**2 if upsampling.kind == "bilinear_additive" else shape[2]
    upsampled = enlarged(name, upsampling, shape, (target[0], target[1], channels), factor)
    return [upsampled, *convolution(encoder, conv, upsampled.output_shape, target[2])]


def _plan_output(section: ModelSection, shape: Shape, image_channels: int) -> list[Operation]:
    output = (shape[0], shape[1], image_channels)
    activation = section.decoder.output_activation
    return [
        Convolution("output", shape, output, section.encoder.kernel_size, strides=1, use_bias=True),
        Activation(f"output_{activation}", output, output, activation),
    ]
