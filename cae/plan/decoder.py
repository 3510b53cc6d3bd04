"""The decoder's operations: the encoder's mirror, with the chosen upsampling in each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, activated, convolution, residual_blocks
from cae.kinds.operations import Activation, Operation, Shape
from cae.kinds.upsampling import Stage, UpsamplingKind
from cae.plan.linear_path import starting_at_zero
from cae.plan.tied import plan_tied_stages

if TYPE_CHECKING:
    from cae.config.model import ModelSection


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
    operations = section.bottleneck.expand(latent, shape, section.encoder.use_bias)
    if operations:
        operations += activated(section.encoder, operations[-1].name, shape)
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
    section: ModelSection, name: str, upsampling: UpsamplingKind, shape: Shape, target: Shape, filters: int
) -> list[Operation]:
    """Upsample to the target's height and width, convolve with its channels, and at last to `filters`."""
    encoder = section.encoder
    widths = [target[2]] * (encoder.convs_per_stage - 1) + [filters]
    operations = upsampling.plan(Stage(name, encoder, shape, target[:2]), widths[0])
    for number, width in enumerate(widths[1:], start=2):
        shape = operations[-1].output_shape
        operations += convolution(encoder, f"{name}_conv_{number}", shape, width)
    return operations + residual_blocks(encoder, name, operations[-1].output_shape)


def _plan_output(section: ModelSection, shape: Shape, image_channels: int) -> list[Operation]:
    output = (shape[0], shape[1], image_channels)
    activation = section.decoder.output_activation
    last = Convolution("output", shape, output, section.encoder.kernel_size, strides=1, use_bias=True)
    return [
        starting_at_zero(section, last),
        Activation(f"output_{activation}", output, output, activation),
    ]
