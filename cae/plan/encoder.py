"""The encoder's operations: stages of convolutions that end in a downsampling, then the bottleneck."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, convolution, fits, residual_blocks, with_shortcut
from cae.kinds.linear_path import starting_at_zero
from cae.kinds.operations import Activation, Dropout, Operation, Shape, SpaceToDepth, Switches
from cae.kinds.own_model import plan_own

if TYPE_CHECKING:
    from cae.config.model import EncoderSection, ModelSection
    from cae.section import GivenModel


class PlanError(ValueError):
    """The model does not fit the images."""


def plan_encoder(
    section: ModelSection, image_shape: Shape, switches_wanted: Sequence[Switches | None]
) -> tuple[list[Operation], list[Shape]]:
    """Plan from the image to the code.

    Args:
        section: the `model` section.
        image_shape: (height, width, channels).
        switches_wanted: for each stage, first stage first, what its pooling must record.

    Returns:
        The operations, and the shapes that the decoder must restore: for each stage the height, width and
        channels before its downsampling, and last the shape that enters the bottleneck.
    """
    encoder = section.encoder
    if encoder.keras is not None:
        return _plan_own(section, encoder.keras, image_shape)
    check_image_is_large_enough(encoder, image_shape)
    operations: list[Operation] = []
    stage_shapes: list[Shape] = []
    shape = image_shape
    if encoder.stem > 1:
        height, width = (math.ceil(side / encoder.stem) for side in image_shape[:2])
        operations.append(SpaceToDepth("stem", shape, (height, width, shape[2] * encoder.stem**2), encoder.stem))
        shape = operations[-1].output_shape
    stages = zip(encoder.filters, encoder.convs, switches_wanted, strict=True)
    for stage, (filters, convs, switches) in enumerate(stages, start=1):
        stage_shapes.append((shape[0], shape[1], filters))
        operations += _plan_stage(encoder, f"stage_{stage}", shape, filters, convs, switches)
        shape = operations[-1].output_shape
    if encoder.code_filters is not None:
        operations.append(Convolution("code_conv", shape, (*shape[:2], encoder.code_filters), 1, 1, use_bias=True))
        shape = operations[-1].output_shape
    operations += residual_blocks(encoder, "code", shape, encoder.residual_blocks_at_code)
    stage_shapes.append(shape)
    operations.append(starting_at_zero(section, section.bottleneck.encode(shape)))
    return operations, stage_shapes


def _plan_own(section: ModelSection, given: GivenModel, image_shape: Shape) -> tuple[list[Operation], list[Shape]]:
    """Plan an encoder of your own and the bottleneck behind it; stages are those of its mirror."""
    encoder = section.encoder
    own = plan_own("encoder", given, image_shape)
    if own.gives_vector and section.bottleneck.kind == "spatial":
        raise PlanError(
            f"model.bottleneck: spatial needs maps. Received: the encoder {given.name}, which gives a vector; use"
            " dense, or none to let the vector be the code."
        )
    stage_shapes: list[Shape] = []
    sides = image_shape[:2]
    for filters in encoder.filters:
        stage_shapes.append((*sides, filters))
        sides = (math.ceil(sides[0] / encoder.downsampling.factor), math.ceil(sides[1] / encoder.downsampling.factor))
    stage_shapes.append((*sides, encoder.code_width))
    given_on = Activation(f"{own.name}_output", own.output_shape, own.output_shape, "linear")  # in the run's precision
    return [own, given_on, section.bottleneck.encode(own.output_shape)], stage_shapes


def check_image_is_large_enough(encoder: EncoderSection, image_shape: Shape) -> None:
    """Refuse images that a stage would have nothing left to shrink of."""
    factor = encoder.downsampling.factor
    sides = tuple(math.ceil(side / encoder.stem) for side in image_shape[:2])
    for stage in range(1, len(encoder.filters) + 1):
        if min(sides) < factor:
            least = factor
            for _ in encoder.filters[1:]:
                least = (least - 1) * factor + 1  # the smallest that padding `same` shrinks to this
            least = (least - 1) * encoder.stem + 1
            stem = f" behind a stem of {encoder.stem}" if encoder.stem > 1 else ""
            raise PlanError(
                f"model.encoder.filters: {len(encoder.filters)} stages that shrink by {factor}{stem} need images of at"
                f" least {least}x{least} pixels. Received: images of {image_shape[0]}x{image_shape[1]}, of which"
                f" stage {stage} gets {sides[0]}x{sides[1]}; use at most {stage - 1} stages, or larger images."
            )
        sides = (math.ceil(sides[0] / factor), math.ceil(sides[1] / factor))


def check_shortcut(part: str, past: Sequence[Operation], factor: int, *, enlarges: bool) -> None:
    """Refuse channels of which neither groups nor repetitions are those behind a shortcut."""
    given, made = past[0].input_shape[2], past[-1].output_shape[2]
    if not fits(given, made, factor, enlarges=enlarges):
        parts = (made, given) if enlarges else (given, made)
        raise PlanError(
            f"model.{part}.shortcut: {factor**2} times {parts[0]} channels must be a multiple of {parts[1]}, which"
            f" {past[0].name} leads past. Received: {given} to {made} channels; change model.{part}.filters."
        )


def _plan_stage(
    encoder: EncoderSection, name: str, shape: Shape, filters: int, convs: int, switches: Switches | None
) -> list[Operation]:
    operations: list[Operation] = []
    downsampling = encoder.downsampling
    before_last = 0  # operations in front of the last convolution
    for number in range(1, convs + 1):
        is_last = number == convs
        before_last = len(operations)
        strides = downsampling.conv_strides if is_last else 1
        operations += convolution(encoder, f"{name}_conv_{number}", shape, filters, strides=strides)
        shape = operations[-1].output_shape
    operations += residual_blocks(encoder, name, shape, encoder.residual_blocks)
    operations += downsampling.pool(f"{name}_pool", shape, switches=switches)
    is_first = name == "stage_1" and before_last == 0  # there, the channels are the image's
    if encoder.shortcut == "space_to_channel" and not is_first:
        past = operations[before_last:]
        check_shortcut("encoder", past, downsampling.factor, enlarges=False)
        operations[before_last:] = with_shortcut(name, past, downsampling.factor, enlarges=False)
    shape = operations[-1].output_shape
    if encoder.dropout > 0.0:
        operations.append(Dropout(f"{name}_dropout", shape, shape, encoder.dropout))
    return operations
