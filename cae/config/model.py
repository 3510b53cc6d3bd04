"""The `model` section: encoder, bottleneck and decoder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from cae.section import Choice, PositiveInt, Section

Activation = Literal["relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "tanh", "sigmoid", "linear"]

# A switch is stored as one byte, so a window has at most 256 cells.
Window = Annotated[int, Field(ge=2, le=16)]


class MaxPool(Section):
    """Keep each window's maximum."""

    kind: Literal["max_pool"] = "max_pool"
    """Keep each window's maximum; the only kind that has switches for `max_unpool`."""
    pool_size: Window = 2
    """Side of the square window, and the stage's factor of reduction."""

    @property
    def factor(self) -> int:
        """By how much a stage shrinks height and width."""
        return self.pool_size


class AveragePool(Section):
    """Keep each window's mean."""

    kind: Literal["average_pool"] = "average_pool"
    """Keep each window's mean."""
    pool_size: Window = 2
    """Side of the square window, and the stage's factor of reduction."""

    @property
    def factor(self) -> int:
        """By how much a stage shrinks height and width."""
        return self.pool_size


class StridedConv(Section):
    """Let the stage's last convolution take strides."""

    kind: Literal["strided_conv"] = "strided_conv"
    """Let the stage's last convolution take strides (Springenberg et al. 2015)."""
    strides: Window = 2
    """Strides of that convolution, and the stage's factor of reduction."""

    @property
    def factor(self) -> int:
        """By how much a stage shrinks height and width."""
        return self.strides


Downsampling = Annotated[
    MaxPool | AveragePool | StridedConv, Field(discriminator="kind"), Choice("kind", default="max_pool")
]


class NoNormalization(Section):
    """No normalisation."""

    kind: Literal["none"] = "none"
    """No normalisation."""


class BatchNormalization(Section):
    """Normalise each channel over the batch."""

    kind: Literal["batch"] = "batch"
    """Normalise each channel over the batch (Ioffe and Szegedy 2015)."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    """Share of the old moving statistics that each step keeps."""
    synchronized: bool = False
    """Over the whole batch even where devices divide it; without it, each device normalises over its own share."""


class LayerNormalization(Section):
    """Normalise each pixel over its channels."""

    kind: Literal["layer"] = "layer"
    """Normalise each pixel over its channels (Ba et al. 2016)."""


class GroupNormalization(Section):
    """Normalise each image over groups of channels."""

    kind: Literal["group"] = "group"
    """Normalise each image over groups of channels (Wu and He 2018)."""
    groups: PositiveInt = 8
    """Number of groups; must divide every stage's filters."""


Normalization = Annotated[
    NoNormalization | BatchNormalization | LayerNormalization | GroupNormalization,
    Field(discriminator="kind"),
    Choice("kind", default="none"),
]


class EncoderSection(Section):
    """Stages of convolutions, each ending in a downsampling."""

    filters: Annotated[tuple[PositiveInt, ...], Field(min_length=1, max_length=12, strict=False)] = (32, 64)
    """Channels of each stage, first stage first; as many stages as numbers."""
    convs_per_stage: Annotated[int, Field(ge=1, le=16)] = 1
    """Convolutions in each stage."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 3
    """Side of the square kernel, in the encoder and in the decoder's convolutions."""
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


class NoBottleneck(Section):
    """The last stage's output is the code."""

    kind: Literal["none"] = "none"
    """The last stage's output is the code."""


class SpatialBottleneck(Section):
    """A 1x1 convolution to fewer channels."""

    kind: Literal["spatial"] = "spatial"
    """A 1x1 convolution to `channels`, and another one back."""
    channels: PositiveInt = 16
    """Channels of the code."""


class DenseBottleneck(Section):
    """A dense layer to a vector."""

    kind: Literal["dense"] = "dense"
    """A dense layer to a vector of `units`, and another one back."""
    units: PositiveInt = 64
    """Length of the code vector."""


Bottleneck = Annotated[
    NoBottleneck | SpatialBottleneck | DenseBottleneck,
    Field(discriminator="kind"),
    Choice("kind", default="spatial"),
]


class Resize(Section):
    """Resize, then convolve."""

    kind: Literal["resize"] = "resize"
    """Resize, then convolve (Odena et al. 2016): no checkerboards."""
    interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos3", "lanczos5"] = "nearest"
    """How values between the known ones are found."""


class MaxUnpool(Section):
    """Put values back where their maxima were."""

    kind: Literal["max_unpool"] = "max_unpool"
    """Put each value back where its maximum was, zeros elsewhere (Zeiler and Fergus 2014), then convolve."""


class FixedUnpool(Section):
    """Put values to the top-left of their windows."""

    kind: Literal["fixed_unpool"] = "fixed_unpool"
    """Put each value to its window's top-left, zeros elsewhere, then convolve: unpooling without switches."""


class ConvTranspose(Section):
    """Transposed convolution."""

    kind: Literal["conv_transpose"] = "conv_transpose"
    """A transposed convolution with strides."""
    kernel_size: Annotated[int, Field(ge=1, le=31)] = 4
    """Side of the square kernel; a multiple of the strides avoids uneven overlap."""


class Subpixel(Section):
    """Convolve, then turn channels into pixels."""

    kind: Literal["subpixel"] = "subpixel"
    """Convolve to factor^2 times the channels, then depth to space (Shi 2016), ICNR start (Aitken 2017)."""


class BilinearAdditive(Section):
    """Bilinear resize, then sums of neighbouring channels."""

    kind: Literal["bilinear_additive"] = "bilinear_additive"
    """Bilinear resize, sum each factor^2 consecutive channels (Wojna et al. 2017), then convolve."""


Upsampling = Annotated[
    Resize | MaxUnpool | FixedUnpool | ConvTranspose | Subpixel | BilinearAdditive,
    Field(discriminator="kind"),
    Choice("kind", default="conv_transpose"),
]


def _one_or_per_stage(value: Any) -> str:
    return "<per stage>" if isinstance(value, list | tuple) else "<one>"


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
    tied_weights: bool = False
    """Make the decoder of the encoder's kernels, each read the other way, with biases of its own (the deconvnet)."""
    output_activation: Literal["sigmoid", "linear"] = "sigmoid"
    """Last activation; pixels are in [0, 1], which `sigmoid` cannot leave."""


class ModelSection(Section):
    """The autoencoder."""

    encoder: EncoderSection = EncoderSection()
    """From the image to the code."""
    bottleneck: Bottleneck = SpatialBottleneck()
    """The code's form."""
    decoder: DecoderSection = DecoderSection()
    """From the code to the reconstruction."""

    @property
    def upsampling_per_stage(self) -> tuple[Upsampling, ...]:
        """One upsampling for each decoder stage, from the code outwards."""
        upsampling = self.decoder.upsampling
        return upsampling if isinstance(upsampling, tuple) else (upsampling,) * len(self.encoder.filters)

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
        return (self.encoder.filters[-1], *self.decoder_outputs[:-1])
