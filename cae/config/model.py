"""The `model` section: encoder, bottleneck and decoder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from cae.kinds.activation import ACTIVATIONS
from cae.kinds.bottleneck import BottleneckKind, SpatialBottleneck
from cae.kinds.catalogue import BOTTLENECKS, DOWNSAMPLINGS, LINEAR_PATHS, NORMALIZATIONS, UPSAMPLINGS
from cae.kinds.convolutions import Padding, ResidualStyle
from cae.kinds.downsampling import DownsamplingKind, MaxPool
from cae.kinds.linear_path import LinearPathKind, NoLinearPath
from cae.kinds.normalization import NoNormalization, NormalizationKind
from cae.kinds.upsampling import UpsamplingKind
from cae.kinds.upsampling.conv_transpose import ConvTranspose
from cae.section import Choice, GivenModel, OneOf, PositiveInt, Section

Downsampling = Annotated[DownsamplingKind, Choice("kind", default="max_pool", sections=DOWNSAMPLINGS)]


Normalization = Annotated[NormalizationKind, Choice("kind", default="none", sections=NORMALIZATIONS)]
Activation = Annotated[str, OneOf(ACTIVATIONS)]


def _one_or_per_stage(value: Any) -> str:
    return "<per stage>" if isinstance(value, list | tuple) else "<one>"


Convs = Annotated[int, Field(ge=1, le=16)]
ConvsPerStage = Annotated[
    Annotated[Convs, Tag("<one>")]
    | Annotated[tuple[Convs, ...], Field(min_length=1, max_length=12, strict=False), Tag("<per stage>")],
    Discriminator(_one_or_per_stage),
]


class EncoderSection(Section):
    """Stages of convolutions, each ending in a downsampling."""

    filters: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=12, strict=False)] = (32, 64)
    """Channels of each stage, first stage first; as many stages as numbers."""
    convs_per_stage: ConvsPerStage = 1
    """Convolutions in each stage: one number, or a list with one a stage, first stage first."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 3
    """Side of the square kernel, in the encoder and in the decoder's convolutions."""
    padding: Padding = "same"
    """What lies past the borders of convolutions of step 1: zeros (`same`), or the map itself, mirrored (`reflect`)."""
    activation: Activation = "relu"
    """Activation after each convolution but the last one of the decoder."""
    normalization: Normalization = NoNormalization()
    """Normalisation between a convolution and its activation."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of values dropped at the end of each encoder stage while training."""
    downsampling: Downsampling = MaxPool()
    """How a stage makes the picture smaller."""
    residual_blocks: Annotated[int, Field(ge=0, le=32)] = 0
    """Residual blocks (two convolutions and a skip, He et al. 2016) after each stage's convolutions."""
    residual_style: ResidualStyle = "post_activation"
    """Where residual blocks activate: behind their sum, before convolutions (He 2016b), or inside only (Lim 2017)."""
    residual_blocks_at_code: Annotated[int, Field(ge=0, le=32)] = 0
    """Residual blocks behind the last downsampling, at the code's resolution, and as many where the decoder begins."""
    code_filters: PositiveInt | None = None
    """Channels behind the last downsampling, by a 1x1 convolution; null leaves those of the last stage."""
    stem: Literal[1, 2, 4] = 1
    """Side of the squares of pixels that become channels before the first stage, and pixels again behind the last."""
    shortcut: Literal["none", "space_to_channel"] = "none"
    """What is added past each downsampling: nothing, or means of its pixels as channels (Chen et al. 2024)."""
    keras: GivenModel | None = None
    """An encoder of your own, cae.train(config, encoder=...); other keys then shape its mirror, the decoder."""

    @property
    def use_bias(self) -> bool:
        """Whether convolutions have biases: the offset of a normalisation behind them takes their place."""
        return not self.normalization.has_offset

    @property
    def convs(self) -> tuple[int, ...]:
        """Convolutions of each stage, first stage first."""
        convs = self.convs_per_stage
        return convs if isinstance(convs, tuple) else (convs,) * len(self.filters)

    @property
    def code_width(self) -> int:
        """Channels that enter the bottleneck."""
        return self.code_filters or self.filters[-1] * self.downsampling.channel_factor


Bottleneck = Annotated[BottleneckKind, Choice("kind", default="spatial", sections=BOTTLENECKS)]
Upsampling = Annotated[UpsamplingKind, Choice("kind", default="conv_transpose", sections=UPSAMPLINGS)]


class DecoderSection(Section):
    """The encoder's mirror; upsampling and widths are chosen freely."""

    upsampling: Annotated[
        Annotated[Upsampling, Tag("<one>")]
        | Annotated[tuple[Upsampling, ...], Field(min_length=1, strict=False), Tag("<per stage>")],
        Discriminator(_one_or_per_stage),
    ] = ConvTranspose()
    """How a stage enlarges the picture: one kind, or a list with one a stage, from the code outwards."""
    filters: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=12, strict=False)] | None = None
    """Channels of each stage's convolutions, from the code outwards; null mirrors the encoder's."""
    convs_per_stage: ConvsPerStage | None = None
    """Convolutions in each stage, one number or a list from the code outwards; null mirrors the encoder's."""
    residual_blocks: Annotated[int, Field(ge=0, le=32)] | None = None
    """Residual blocks after each stage's convolutions; null takes the encoder's number."""
    shortcut: Literal["none", "duplicate"] = "none"
    """What is added past each upsampling: nothing, or its channels, repeated and as pixels (Chen et al. 2024)."""
    tied_weights: bool = False
    """Make the decoder of the encoder's kernels, each read the other way, with biases of its own (the deconvnet)."""
    output_activation: Literal["sigmoid", "linear"] = "sigmoid"
    """Last activation; pixels are in [0, 1], which `sigmoid` cannot leave."""
    keras: GivenModel | None = None
    """A decoder of your own, cae.train(config, decoder=...), in the place of all that the other keys say."""


LinearPath = Annotated[LinearPathKind, Choice("kind", default="none", sections=LINEAR_PATHS)]


class ModelSection(Section):
    """The autoencoder."""

    encoder: EncoderSection = EncoderSection()
    """From the image to the code."""
    bottleneck: Bottleneck = SpatialBottleneck()
    """The code's form."""
    decoder: DecoderSection = DecoderSection()
    """From the code to the reconstruction."""
    linear_path: LinearPath = NoLinearPath()
    """What encoder and decoder are added to: their last layers start at zero, so that the model starts as this map."""
    init: Literal["random", "klt", "pca"] = "random"
    """How the linear path starts: `klt` fits a `block` path to training images, `pca` a `global` one."""

    @property
    def factor(self) -> int:
        """By how much the encoder shrinks height and width."""
        return self.encoder.stem * self.encoder.downsampling.factor ** len(self.encoder.filters)

    @property
    def upsampling_per_stage(self) -> tuple[Upsampling, ...]:
        """One upsampling for each decoder stage, from the code outwards."""
        upsampling = self.decoder.upsampling
        return upsampling if isinstance(upsampling, tuple) else (upsampling,) * len(self.encoder.filters)

    @property
    def upsampling_kinds(self) -> str:
        """The kind of upsampling, the kinds of a decoder that has several, or the name of a decoder of your own."""
        if self.decoder.keras is not None:
            return self.decoder.keras.name
        return ", ".join(dict.fromkeys(upsampling.kind for upsampling in self.upsampling_per_stage))

    @property
    def decoder_convs(self) -> tuple[int, ...]:
        """Convolutions of each decoder stage, from the code outwards."""
        convs = self.decoder.convs_per_stage
        if convs is None:
            return self.encoder.convs[::-1]
        return convs if isinstance(convs, tuple) else (convs,) * len(self.encoder.filters)

    @property
    def decoder_outputs(self) -> tuple[int, ...]:
        """Channels that each decoder stage ends with, from the code outwards.

        The mirror of an encoder stage ends with the channels that stage was given; the first ends with its own.
        """
        filters = self.encoder.filters
        return self.decoder.filters or (*reversed(filters[:-1]), filters[0])

    @property
    def decoder_inputs(self) -> tuple[int, ...]:
        """Channels that each decoder stage is given, from the code outwards."""
        return (self.encoder.code_width, *self.decoder_outputs[:-1])
