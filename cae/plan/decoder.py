"""The decoder's operations: the encoder's mirror, with the chosen upsampling in each stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, activated, convolution, residual_blocks
from cae.kinds.operations import Operation, Shape
from cae.kinds.shortcut import with_shortcut
from cae.kinds.upsampling import Stage, UpsamplingKind
from cae.plan.encoder import check_shortcut
from cae.plan.linear_path import starting_at_zero
from cae.plan.tied import finished, plan_tied_stages

if TYPE_CHECKING:
    from cae.config.model import ModelSection


def plan_decoder(
    section: ModelSection, image_shape: Shape, stage_shapes: Sequence[Shape], latent: Shape
) -> list[Operation]:
    """Plan from the code to the reconstruction.

    Args:
        section: the `model` section.
        image_shape: (height, width, channels) of the reconstruction.
        stage_shapes: what the encoder's stages had before their downsampling, first stage first, and last the
            shape that entered the bottleneck. Each decoder stage restores one of them, last stage first.
        latent: shape of the code.
    """
    shape = stage_shapes[-1]
    operations = section.bottleneck.expand(latent, shape, section.encoder.use_bias)
    if operations:
        operations += activated(section.encoder, operations[-1].name, shape)
    if section.decoder.tied_weights:
        return operations + plan_tied_stages(section, image_shape, stage_shapes)
    operations += residual_blocks(section.encoder, "code", shape, section.encoder.residual_blocks_at_code)
    num_stages = len(section.encoder.filters)
    stages = zip(section.upsampling_per_stage, section.decoder_outputs, section.decoder_convs, strict=True)
    for stage, (upsampling, filters, convs) in zip(range(num_stages, 0, -1), stages, strict=True):
        height, width, mirrored = stage_shapes[stage - 1]
        target = (height, width, filters if section.decoder.filters else mirrored)
        operations += _plan_stage(section, f"stage_{stage}", upsampling, shape, target, filters, convs)
        shape = operations[-1].output_shape
    encoder = section.encoder
    wide = (*shape[:2], image_shape[2] * encoder.stem**2)
    last = Convolution("output", shape, wide, encoder.kernel_size, 1, use_bias=True, subpixel_factor=encoder.stem)
    return [*operations, starting_at_zero(section, last), *finished(section, wide, image_shape)]


def _plan_stage(
    section: ModelSection,
    name: str,
    upsampling: UpsamplingKind,
    shape: Shape,
    target: Shape,
    filters: int,
    convs: int,
) -> list[Operation]:
    """Upsample to the target's height and width, convolve with its channels, and at last to `filters`."""
    encoder = section.encoder
    widths = [target[2]] * (convs - 1) + [filters]
    operations = upsampling.plan(Stage(name, encoder, shape, target[:2]), widths[0])
    if section.decoder.shortcut == "duplicate":
        factor = encoder.downsampling.factor
        check_shortcut("decoder", operations, factor, enlarges=True)
        operations = with_shortcut(name, operations, factor, enlarges=True)
    for number, width in enumerate(widths[1:], start=2):
        shape = operations[-1].output_shape
        operations += convolution(encoder, f"{name}_conv_{number}", shape, width)
    number = encoder.residual_blocks if section.decoder.residual_blocks is None else section.decoder.residual_blocks
    return operations + residual_blocks(encoder, name, operations[-1].output_shape, number)
