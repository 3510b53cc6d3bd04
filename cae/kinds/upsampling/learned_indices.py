"""`learned_indices`: give each pixel of a window its predicted share of the value, then convolve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cae.kinds.operations import Shape, Upsample
from cae.kinds.upsampling.max_unpool import UnpoolingKind


@dataclass(frozen=True)
class IndexedUnpooling(Upsample):
    """Unpooling by the indices that the pooling of this name predicted."""

    pooling: str

    word = "learned_indices"
    layer = "IndexedUnpooling2D"

    @property
    def switches_from(self) -> str | None:
        return self.pooling


class LearnedIndices(UnpoolingKind):
    """Give pixels predicted shares of a value."""

    needs_downsampling = "learned_indices"

    kind: Literal["learned_indices"] = "learned_indices"
    """Give each pixel its window's value times the index by which it was pooled (Lu et al. 2019), then convolve."""

    def unpooling(self, name: str, given: Shape, output: Shape, factor: int, pool: str) -> Upsample:
        return IndexedUnpooling(name, given, output, factor, pool)
