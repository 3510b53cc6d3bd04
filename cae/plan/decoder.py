"""The decoder: the encoder's mirror with the chosen upsampling, or its stages backwards with tied weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cae.kinds.bottleneck import BottleneckKind, DenseBottleneck, SpatialBottleneck
from cae.kinds.convolutions import (
    Convolution,
    Sum,
    TiedConvolution,
    activated,
    convolution,
    normalized,
    residual_blocks,
    with_shortcut,
)
from cae.kinds.linear_path import starting_at_zero
from cae.kinds.operations import Activation, Operation, Shape
from cae.kinds.own_model import plan_own
from cae.kinds.upsampling import Stage, UpsamplingKind
from cae.kinds.upsampling.subpixel import DepthToSpace
from cae.messages import number_of
from cae.plan.encoder import PlanError, check_shortcut

if TYPE_CHECKING:
    from cae.config.model import EncoderSection, ModelSection
    from cae.section import GivenModel


def plan_decoder(
    section: ModelSection, image_shape: Shape, stage_shapes: Sequence[Shape], latent: Shape, is_vector: bool
) -> list[Operation]:
    """Plan from the code to the reconstruction.

    Args:
        section: the `model` section.
        image_shape: (height, width, channels) of the reconstruction.
        stage_shapes: what the encoder's stages had before their downsampling, first stage first, and last the
            shape that entered the bottleneck. Each decoder stage restores one of them, last stage first.
        latent: shape of the code.
        is_vector: whether that is a vector.
    """
    if section.decoder.keras is not None:
        return _plan_own(section.decoder.keras, image_shape, latent, is_vector)
    shape = stage_shapes[-1]
    operations = _expansion(section, latent, shape, is_vector).expand(latent, shape, section.encoder.use_bias)
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


def _plan_own(given: GivenModel, image_shape: Shape, latent: Shape, is_vector: bool) -> list[Operation]:
    """Plan a decoder of your own, whose last activation is its own affair."""
    own = plan_own("decoder", given, latent, is_vector=is_vector)
    if own.gives_vector or own.output_shape != image_shape:
        received = own.output_shape[2:] if own.gives_vector else own.output_shape
        raise PlanError(
            f"`decoder` must give images of shape {(None, *image_shape)}. Received: the model {given.name}, which gives"
            f" {(None, *received)} for codes of {(None, *own.given)}."
        )
    return [own, Activation("output_linear", image_shape, image_shape, "linear")]


def _expansion(section: ModelSection, latent: Shape, target: Shape, is_vector: bool) -> BottleneckKind:
    """What leads from the code to the stages: behind an encoder of your own that gives it, as its shape needs."""
    if section.encoder.keras is None:
        return section.bottleneck
    if is_vector:
        return DenseBottleneck()
    if latent[:2] != target[:2]:
        stages, factor = len(section.encoder.filters), section.encoder.downsampling.factor
        raise PlanError(
            f"model.encoder.filters: a decoder of {number_of(stages, 'stage')} of factor {factor}"
            f" starts from maps of {target[0]}x{target[1]}. Received: the encoder {section.encoder.keras.name}, which"
            f" gives maps of {latent[0]}x{latent[1]}; name as many filters as it halves the image, use padding `same`"
            " in it, or let it give a vector."
        )
    return SpatialBottleneck() if latent != target else section.bottleneck


def _plan_stage(
    section: ModelSection, name: str, upsampling: UpsamplingKind, shape: Shape, target: Shape, filters: int, convs: int
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


def plan_tied_stages(section: ModelSection, image_shape: Shape, stage_shapes: Sequence[Shape]) -> list[Operation]:
    """Plan the decoder's stages behind the bottleneck, the reconstruction included.

    Each stage enlarges as its kind says, then goes through its encoder stage's convolutions from the last to the
    first, each with its kernel read the other way and a bias of its own. A kind that enlarges by a convolution does it
    with the first of these. The convolution that took the image gives the reconstruction.

    Args:
        section: the `model` section, with `tied_weights`.
        image_shape: (height, width, channels) of the reconstruction.
        stage_shapes: as for `plan_decoder`.
    """
    encoder, shape = section.encoder, stage_shapes[-1]
    operations = _tied_residual_blocks(encoder, "code", shape, encoder.residual_blocks_at_code)
    stages = range(len(encoder.filters), 0, -1)
    for stage, upsampling in zip(stages, section.upsampling_per_stage, strict=True):
        given = encoder.filters[stage - 2] if stage > 1 else image_shape[2] * encoder.stem**2
        operations += _plan_tied_stage(encoder, stage, upsampling, shape, stage_shapes[stage - 1], given)
        shape = operations[-1].output_shape
    return [*operations, *finished(section, shape, image_shape)]


def finished(section: ModelSection, shape: Shape, image_shape: Shape) -> list[Operation]:
    """Plan what makes the reconstruction of what the last convolution gave: pixels where it has a stem, activation."""
    activation, stem = section.decoder.output_activation, section.encoder.stem
    pixels = [DepthToSpace("output_pixels", shape, image_shape, stem, crops_end=True)] if stem > 1 else []
    return [*pixels, Activation(f"output_{activation}", image_shape, image_shape, activation)]


def _plan_tied_stage(
    encoder: EncoderSection, stage: int, upsampling: UpsamplingKind, shape: Shape, target: Shape, given: int
) -> list[Operation]:
    """From what a stage's downsampling gave back to what the stage was given."""
    name, factor = f"stage_{stage}", encoder.downsampling.factor
    operations = upsampling.enlarge(Stage(name, encoder, shape, target[:2]))
    is_transposed = not operations
    if operations:
        shape = operations[-1].output_shape
    operations += _tied_residual_blocks(encoder, name, shape, encoder.residual_blocks)
    convs = encoder.convs[stage - 1]
    for number in range(convs, 0, -1):
        output = (*target[:2], target[2] if number > 1 else given)
        strides = factor if is_transposed and number == convs else 1
        is_last = stage == 1 and number == 1
        operations += _transposed(encoder, f"{name}_conv_{number}", shape, output, strides, is_last)
        shape = output
    return operations


def _transposed(
    encoder: EncoderSection, tied_to: str, shape: Shape, output: Shape, strides: int, is_last: bool
) -> list[Operation]:
    """An encoder convolution backwards; the last gives the reconstruction, without normalisation and activation."""
    name = f"{tied_to}_transposed"
    use_bias = is_last or encoder.use_bias
    convolution = TiedConvolution(name, shape, output, encoder.kernel_size, strides, use_bias, tied_to)
    return [convolution] if is_last else [convolution, *activated(encoder, name, output)]


def _tied_residual_blocks(encoder: EncoderSection, name: str, shape: Shape, number: int) -> list[Operation]:
    """The stage's residual blocks from the last to the first, each one's convolutions from the second to the first."""
    blocks: list[Operation] = []
    for count in range(number, 0, -1):
        block = f"{name}_residual_{count}"
        inside = _transposed(encoder, f"{block}_conv_2", shape, shape, strides=1, is_last=False)
        last, *_ = _transposed(encoder, f"{block}_conv_1", shape, shape, strides=1, is_last=False)
        inside += [last, *normalized(encoder, last.name, shape)]
        blocks.append(Sum(f"{block}_transposed", shape, shape, ((), tuple(inside)), encoder.activation))
    return blocks
