"""What every kind of upsampling declares; each kind has its own file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from cae.kinds.convolutions import convolution
from cae.kinds.operations import Operation, Shape, Switches
from cae.section import Conflict, Path, Section

if TYPE_CHECKING:
    from cae.config.model import EncoderSection

FILTERS: Path = ("model", "encoder", "filters")
DOWNSAMPLING: Path = ("model", "encoder", "downsampling")
DECODER_FILTERS: Path = ("model", "decoder", "filters")
TIED: Path = ("model", "decoder", "tied_weights")


@dataclass(frozen=True)
class Stage:
    """A decoder stage as it is before its upsampling.

    Args:
        name: what the names of its operations begin with, `stage_2` for instance; its pooling is `stage_2_pool`.
        encoder: kernel size, normalisation and activation of its convolutions.
        given: shape of what it is given.
        size: height and width that it restores.
    """

    name: str
    encoder: EncoderSection
    given: Shape
    size: tuple[int, int]

    @property
    def factor(self) -> int:
        """By how much it makes height and width larger."""
        return self.encoder.downsampling.factor


class Place(NamedTuple):
    """Where a configuration puts a kind, for its rules."""

    path: Path
    """The key that chose it."""
    encoder: EncoderSection
    given: Sequence[int]
    """Channels of the maps that it enlarges, one number a stage."""
    pooled: Sequence[int]
    """Channels that the encoder's stages pooled there."""


class UpsamplingKind(Section):
    """A kind of upsampling: its options, its rules and its operations.

    The docstring of a kind is its title, the sentence below its `kind` explains it. A kind without weights says only
    how it enlarges; one that enlarges by a convolution overrides `plan`.
    """

    kind: str
    """The word that chooses it."""

    variants: ClassVar[Sequence[Mapping[str, Any]]] = ({},)
    """Options that make it another function: what tests, tables and exports go through."""
    can_be_tied: ClassVar[bool] = True
    """Whether the kernels of its stage can be the encoder's, read the other way."""
    needs_downsampling: ClassVar[str] = ""
    """The kind of downsampling whose switches it takes; empty where it takes none."""

    @property
    def label(self) -> str:
        """The kind with the options that matter, as comparisons name it."""
        return self.kind

    @property
    def switches_wanted(self) -> Switches | None:
        """What the pooling of its stage must record; None for nothing."""
        return None

    def enlarge(self, stage: Stage) -> list[Operation]:
        """Plan what enlarges before the stage's first convolution, without weights.

        Returns:
            The operation; none where a convolution enlarges by itself.
        """
        return []

    def plan(self, stage: Stage, filters: int) -> list[Operation]:
        """Plan the upsampling together with the stage's first convolution.

        Args:
            stage: where it is.
            filters: channels of the convolution.
        """
        enlarging = self.enlarge(stage)
        shape = enlarging[-1].output_shape
        return [*enlarging, *convolution(stage.encoder, f"{stage.name}_conv_1", shape, filters)]

    def width_step(self, factor: int) -> int:
        """By how many channels the map that it enlarges may become wider or narrower; 0 where its width is fixed."""
        return 1

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        """Yield what keeps it from working in its place."""
        return iter(())

    def tied_conflicts(self, place: Place) -> Iterator[Conflict]:
        """Yield which options have no effect with tied weights, whose kernels are the encoder's."""
        return iter(())
