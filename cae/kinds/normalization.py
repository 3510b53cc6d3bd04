"""The kinds of normalisation between a convolution and its activation."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from cae.kinds.operations import LayerOperation, Operation, Shape
from cae.section import Conflict, Path, PositiveInt, Section, listed

_COMMON = {one.name for one in fields(Operation)}
_GROUPS: Path = ("model", "encoder", "normalization", "groups")


@dataclass(frozen=True)
class Normalization(LayerOperation):
    """Normalisation by a mean and a variance, then a scale and an offset.

    Each kind has its own, whose fields are the arguments of its Keras layer.
    """

    kind: ClassVar[str]
    layer: ClassVar[str]
    """Name of its class in Keras."""
    kept: ClassVar[float] = 1.0
    """Maps of its size that it keeps beside its output. Measured."""
    work: ClassVar[float] = 1.0
    """Maps that its gradient works on beside the gradients of output and input. Measured."""
    zero_start: bool = field(default=False, kw_only=True)
    """Whether its scale starts at zero."""

    @property
    def parameters(self) -> int:
        return 2 * self.output_shape[2]  # scale and offset

    @property
    def summary(self) -> str:
        return f"{self.kind} norm"

    def make_layer(self, **options: Any) -> Any:
        import keras

        own = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _COMMON}
        scale = "zeros" if own.pop("zero_start") else "ones"
        return getattr(keras.layers, self.layer)(gamma_initializer=scale, **own, **options)


@dataclass(frozen=True)
class BatchNormalizing(Normalization):
    """By statistics of the batch; at inference by their moving averages."""

    momentum: float
    synchronized: bool

    kind = "batch"
    layer = "BatchNormalization"

    @property
    def parameters(self) -> int:
        return 4 * self.output_shape[2]  # also moving mean and variance


@dataclass(frozen=True)
class LayerNormalizing(Normalization):
    """By statistics of each pixel."""

    kind = "layer"
    layer = "LayerNormalization"
    kept = 3.0


@dataclass(frozen=True)
class GroupNormalizing(Normalization):
    """By statistics of each image's groups of channels."""

    groups: int

    kind = "group"
    layer = "GroupNormalization"


@dataclass(frozen=True)
class DivisiveNormalizing(Normalization):
    """By a learned norm of all channels at a place; in the decoder, multiplied."""

    inverse: bool = False

    kind = "gdn"
    kept = 3.0
    work = 2.0

    @property
    def parameters(self) -> int:
        return self.output_shape[2] * (self.output_shape[2] + 1)

    @property
    def summary(self) -> str:
        return "inverse gdn" if self.inverse else "gdn"

    def inverted(self) -> Operation:
        return replace(self, inverse=True)

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import DivisiveNormalization2D

        return DivisiveNormalization2D(self.inverse, **options)


class NormalizationKind(Section):
    """A kind of normalisation."""

    kind: str
    """The word that chooses it."""

    has_offset: ClassVar[bool] = True
    """Whether it has an offset, which takes the place of a bias before it."""
    has_scale: ClassVar[bool] = True
    """Whether it has a scale, which can start at zero."""

    @abc.abstractmethod
    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        """Plan it by this name; nothing without normalisation."""

    @property
    def width_step(self) -> int:
        """What must divide a stage's channels."""
        return 1

    def conflicts(self, widths: Mapping[Path, Sequence[int]]) -> Iterator[Conflict]:
        """Yield what keeps it from working.

        Args:
            widths: by the key that sets them, channels of stages.
        """
        return iter(())


class NoNormalization(NormalizationKind):
    """No normalisation."""

    has_offset = False

    kind: Literal["none"] = "none"
    """No normalisation."""

    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        return []


class BatchNormalization(NormalizationKind):
    """Normalise each channel over the batch."""

    kind: Literal["batch"] = "batch"
    """Normalise each channel over the batch (Ioffe and Szegedy 2015)."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.99
    """Share of the old moving statistics that each step keeps."""
    synchronized: bool = False
    """Over the whole batch even where devices divide it; without it, each device normalises over its own share."""

    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        return [BatchNormalizing(name, shape, shape, self.momentum, self.synchronized)]


class LayerNormalization(NormalizationKind):
    """Normalise each pixel over its channels."""

    kind: Literal["layer"] = "layer"
    """Normalise each pixel over its channels (Ba et al. 2016)."""

    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        return [LayerNormalizing(name, shape, shape)]


class GroupNormalization(NormalizationKind):
    """Normalise each image over groups of channels."""

    kind: Literal["group"] = "group"
    """Normalise each image over groups of channels (Wu and He 2018)."""
    groups: PositiveInt = 8
    """Number of groups; must divide every stage's filters."""

    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        return [GroupNormalizing(name, shape, shape, self.groups)]

    @property
    def width_step(self) -> int:
        return self.groups

    def conflicts(self, widths: Mapping[Path, Sequence[int]]) -> Iterator[Conflict]:
        for path, filters in widths.items():
            if uneven := [number for number in filters if number % self.groups]:
                rule = f"groups must divide every stage's filters; {self.groups} does not divide"
                yield (_GROUPS, path), f"{rule} {listed(uneven)}"


class DivisiveNormalization(NormalizationKind):
    """Divide each channel by a norm of all channels."""

    has_offset = False
    has_scale = False

    kind: Literal["gdn"] = "gdn"
    """Divide each channel by a learned norm of all at its place; the decoder multiplies (GDN, Balle et al. 2016)."""

    def normalize(self, name: str, shape: Shape) -> list[Normalization]:
        return [DivisiveNormalizing(name, shape, shape)]
