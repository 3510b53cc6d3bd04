"""The `objective` section: what training makes small."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from cae.section import Choice, Fraction, KerasObject, PositiveInt, Section

MS_SSIM_LEAST_SIDE = 161
"""The least side for MS-SSIM: halved four times, rounding up, it leaves one window of 11 pixels for the last scale."""

Weight = Annotated[float, Field(ge=0.0)]


class Reconstruction(Section):
    """Weights of the terms that compare the reconstruction with the image; 0 leaves a term out."""

    mse: Weight = 0.0
    """Mean squared error."""
    psnr: Weight = 0.0
    """Negative PSNR in dB, of the mean squared error plus 1e-6: what evaluations report, image by image."""
    mae: Weight = 0.0
    """Mean absolute error."""
    bce: Weight = 0.0
    """Binary cross-entropy of pixels taken as probabilities."""
    huber: Weight = 0.0
    """Huber loss: squared below `huber_delta`, absolute above."""
    ssim: Weight = 0.0
    """1 - SSIM (Wang et al. 2004)."""
    ms_ssim: Weight = 0.0
    """1 - MS-SSIM (Wang et al. 2003) at five scales, for images of at least 161 pixels a side."""

    @property
    def weights(self) -> dict[str, float]:
        """The terms that take part, with their weights."""
        return {name: weight for name, weight in self.model_dump().items() if weight > 0.0}


class NoCorruption(Section):
    """Inputs as they are."""

    kind: Literal["none"] = "none"
    """Inputs as they are."""


class GaussianCorruption(Section):
    """Noise added to the input."""

    kind: Literal["gaussian"] = "gaussian"
    """Add normal noise to each pixel, then clip to [0, 1]."""
    stddev: Annotated[float, Field(gt=0.0, le=10.0)] = 0.1
    """Standard deviation, in units of the pixel range."""


class SaltAndPepperCorruption(Section):
    """Pixels set to black or white."""

    kind: Literal["salt_and_pepper"] = "salt_and_pepper"
    """Set pixels (all their channels) to 0 or 1."""
    fraction: Fraction = 0.1
    """Share of the pixels that are set, half of them to 0 and half to 1."""


class MaskedPatchesCorruption(Section):
    """Patches set to zero."""

    kind: Literal["masked_patches"] = "masked_patches"
    """Set square patches of a regular grid to 0."""
    fraction: Fraction = 0.25
    """Chance of each patch to be set."""
    patch_size: PositiveInt = 4
    """Side of a patch in pixels."""


class OwnCorruption(Section):
    """A function that a program or a package has registered."""

    kind: str = ""
    """The word that chooses it."""
    options: dict[str, Any] = {}  # noqa: RUF012, since pydantic copies it
    """Keyword arguments of the function."""

    part: ClassVar[Any]
    """The function."""


BuiltInCorruption = NoCorruption | GaussianCorruption | SaltAndPepperCorruption | MaskedPatchesCorruption
CORRUPTIONS: list[type[Section]] = list(get_args(BuiltInCorruption))
"""What a configuration chooses from."""
Corruption = Annotated[BuiltInCorruption, Choice("kind", default="none", sections=CORRUPTIONS)]

OWN_TERMS: dict[str, Any] = {}
"""Registered terms, each a key of `Reconstruction` from then on."""


class KerasLoss(KerasObject):
    """A loss of Keras, or one that a Python program handed over."""


class ObjectiveSection(Section):
    """Reconstruction terms, input corruption and latent penalty."""

    reconstruction: Reconstruction = Reconstruction(mse=1.0)
    """Terms and their weights."""
    loss: KerasLoss | str | None = None
    """In the place of these terms: a loss of Keras by its name, such as log_cosh, or with its `config`."""
    huber_delta: Annotated[float, Field(gt=0.0)] | None = None
    """Where the Huber term turns from squared to absolute; null is 0.1."""
    corruption: Corruption = NoCorruption()
    """What is done to inputs but not to targets: a denoising autoencoder (Vincent et al. 2008)."""
    latent_l1: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the mean absolute latent value: a sparse code."""
