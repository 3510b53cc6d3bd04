"""`max_unpool`: put values back where their maxima were, then convolve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cae.kinds.operations import Operation, Switches, Upsample
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


class MaxUnpool(BlurringKind):
    """Put values back where their maxima were."""

    variants = ({}, {"switches": "per_place", "blur": True}, {"unpool": "repeat"})

    kind: Literal["max_unpool"] = "max_unpool"
    """Put each value back where its maximum was, zeros elsewhere (Zeiler and Fergus 2014), then convolve."""
    switches: Literal["per_channel", "per_place"] = "per_channel"
    """A switch for each channel, or one a place, which all channels share: where their sum is the largest."""
    unpool: Literal["zeros", "repeat"] = "zeros"
    """What stands beside the value: zeros, or a share of it that each channel learns, from zero."""
    train_switches: Literal["own", "shuffled", "fixed"] = "own"
    """Whose switches it is trained and measured with: the image's own or, as controls, another's, or the top-left."""

    @property
    def words(self) -> list[str]:
        others = (self.switches, self.unpool, self.train_switches)
        return [word for word in others if word not in ("per_channel", "zeros", "own")]

    @property
    def switches_wanted(self) -> Switches | None:
        if self.train_switches == "fixed":
            return None
        return Switches(self.switches, self.train_switches == "shuffled")

    def enlarge(self, stage: Stage) -> list[Operation]:
        name, output = f"{stage.name}_max_unpool", (*stage.size, stage.given[2])
        if self.train_switches == "fixed":
            return self.filtered(FixedUnpooling(name, stage.given, output, stage.factor), stage)
        pool = f"{stage.name}_pool"
        unpooling = MaxUnpooling(name, stage.given, output, stage.factor, pool, self.switches, self.unpool)
        return self.filtered(unpooling, stage)

    def width_step(self, factor: int) -> int:
        return 0

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        if self.train_switches == "fixed":
            for key, value, usual in (("switches", self.switches, "per_channel"), ("unpool", self.unpool, "zeros")):
                if value != usual:
                    message = f"train_switches: fixed needs no switches; received {key}: {value}, without effect"
                    yield (place.path,), message
        downsampling = place.encoder.downsampling
        if not downsampling.records_switches:
            rule = "max_unpool needs max_pool downsampling, which records the switches"
            yield (place.path, DOWNSAMPLING), f"{rule}; received {downsampling.kind}"
        if place.given != place.pooled:
            rule = "stages that max_unpool enlarges must be given as many channels as were pooled"
            message = f"{rule}, {listed(place.pooled)}; received {listed(place.given)}"
            yield (DECODER_FILTERS, FILTERS, place.path), message
