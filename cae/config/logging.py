"""The `logging` section: what TensorBoard gets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cae.config.section import PositiveInt, Section

Epochs = Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)]


class LoggingSection(Section):
    """Pictures and histograms; curves are always written."""

    probe_images: Annotated[int, Field(ge=1, le=64)] = 16
    """Validation images whose reconstructions are shown, the same in every run on the same data."""
    image_epochs: Literal["auto"] | PositiveInt | Epochs = "auto"
    """Epochs with pictures: auto (each at first, then ever more rarely), every so many epochs, or a list."""
    histograms: bool = False
    """Write histograms of weights and latent values each epoch."""
