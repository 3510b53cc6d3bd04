"""`max_unpool`: put values back where their maxima were, then convolve."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cae.kinds.operations import Operation, Shape, Switches, Upsample
from cae.kinds.upsampling import DECODER_FILTERS, DOWNSAMPLING, FILTERS, Place, Stage
from cae.kinds.upsampling.blur import BlurringKind
from cae.kinds.upsampling.fixed_unpool import FixedUnpooling
from cae.section import Conflict, listed


@dataclass(frozen=True)
class MaxUnpooling(Upsample):
    """Unpooling by the switches of the pooling of this name."""

    pooling: str
    switches: str = "per_channel"
    unpool: str = "zeros"

    word = "max_unpool"
    layer = "MaxUnpooling2D"

    @property
    def switches_from(self) -> str | None:
        return self.pooling

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(switches=self.switches, unpool=self.unpool, **options)

    @property
    def parameters(self) -> int:
        return self.input_shape[2] if self.unpool == "repeat" else 0


class UnpoolingKind(BlurringKind):
    """Enlarging by what the pooling of the same stage recorded."""

    train_switches: Literal["own", "shuffled", "fixed"] = "own"
    """Whose switches it is trained and measured with: the image's own or, as controls, another's, or the top-left."""

    @property
    def words(self) -> list[str]:
        return [] if self.train_switches == "own" else [self.train_switches]

    @property
    def switches_wanted(self) -> Switches | None:
        return None if self.train_switches == "fixed" else Switches(shuffled=self.train_switches == "shuffled")

    @abc.abstractmethod
    def unpooling(self, name: str, given: Shape, output: Shape, factor: int, pool: str) -> Upsample:
        """Plan the operation that takes the switches of a pooling."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_{self.kind}", (*stage.size, stage.given[2])
        if self.train_switches == "fixed":
            return self.filtered(FixedUnpooling(name, stage.given, output, stage.factor), stage)
        return self.filtered(self.unpooling(name, stage.given, output, stage.factor, f"{stage.name}_pool"), stage)

    def width_step(self, factor: int) -> int:
        return 0

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        downsampling = place.encoder.downsampling
        if downsampling.kind != self.needs_downsampling:
            rule = f"{self.kind} needs {self.needs_downsampling} downsampling, which records the switches"
            yield (place.path, DOWNSAMPLING), f"{rule}; received {downsampling.kind}"
        if place.given != place.pooled:
            rule = f"stages that {self.kind} enlarges must be given as many channels as were pooled"
            message = f"{rule}, {listed(place.pooled)}; received {listed(place.given)}"
            yield (DECODER_FILTERS, FILTERS, place.path), message


class MaxUnpool(UnpoolingKind):
    """Put values back where their maxima were."""

    variants = ({}, {"switches": "per_place", "blur": True}, {"unpool": "repeat"})
    needs_downsampling = "max_pool"

    kind: Literal["max_unpool"] = "max_unpool"
    """Put each value back where its maximum was, zeros elsewhere (Zeiler and Fergus 2014), then convolve."""
    switches: Literal["per_channel", "per_place"] = "per_channel"
    """A switch for each channel, or one a place, which all channels share: where their sum is the largest."""
    unpool: Literal["zeros", "repeat"] = "zeros"
    """What stands beside the value: zeros, or a share of it that each channel learns, from zero."""

    @property
    def words(self) -> list[str]:
        return [
            *(word for word in (self.switches, self.unpool) if word not in ("per_channel", "zeros")),
            *super().words,
        ]

    @property
    def switches_wanted(self) -> Switches | None:
        wanted = super().switches_wanted
        return wanted and wanted._replace(of=self.switches)

    def unpooling(self, name: str, given: Shape, output: Shape, factor: int, pool: str) -> Upsample:
        return MaxUnpooling(name, given, output, factor, pool, self.switches, self.unpool)

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        if self.train_switches == "fixed":
            for key, value, usual in (("switches", self.switches, "per_channel"), ("unpool", self.unpool, "zeros")):
                if value != usual:
                    message = f"train_switches: fixed needs no switches; received {key}: {value}, without effect"
                    yield (place.path,), message
        yield from super().conflicts(place)
