"""Shortcuts past what makes a picture smaller or larger (Chen et al. 2024, "Deep Compression Autoencoder", 3.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cae.kinds.convolutions import Sum
from cae.kinds.operations import Operation, SpaceToDepth, Upsample


@dataclass(frozen=True)
class SpaceToChannelMean(SpaceToDepth):
    """Means of groups of the channels that squares of pixels become."""

    @property
    def summary(self) -> str:
        return f"space_to_channel {self.factor}x{self.factor}"

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import SpaceToChannelMean2D

        return SpaceToChannelMean2D(self.factor, self.output_shape[2], **options)


@dataclass(frozen=True)
class Duplicate(Upsample):
    """Channels, repeated and as squares of pixels."""

    word = "duplicate"
    layer = "DuplicateToSpace2D"

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(filters=self.output_shape[2], **options)


def fits(given: int, made: int, factor: int, *, enlarges: bool) -> bool:
    """Whether groups or repetitions of `given` channels make `made` of them."""
    return made * factor**2 % given == 0 if enlarges else given * factor**2 % made == 0


def with_shortcut(name: str, operations: list[Operation], factor: int, *, enlarges: bool) -> list[Operation]:
    """Add the shortcut past operations that make a picture smaller or larger by a factor.

    Args:
        name: what the names of shortcut and sum begin with.
        operations: what it leads past, at least one.
        factor: by how much they change height and width.
        enlarges: whether they make it larger.
    """
    given, made = operations[0].input_shape, operations[-1].output_shape
    kind = Duplicate if enlarges else SpaceToChannelMean
    past = kind(f"{name}_shortcut", given, made, factor)
    return [Sum(f"{name}_sum", given, made, (tuple(operations), (past,)), "linear")]
