"""What the processes other than the chief have in the place of a journal: nothing is written, nothing shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cae.training.state import TrainingState


class NoJournal:
    """Takes what a `Journal` takes, and keeps only what decides how training goes on.

    Example:
        >>> NoJournal().steps_until_next_look(0.5)  # the chief's number counts
        1
    """

    def steps_until_next_look(self, seconds: float) -> int:
        """See `Journal`."""
        return 1

    def steps_taken(self, state: TrainingState, number: int, images: float, seconds: float) -> None:
        """See `Journal`."""

    def row(
        self,
        state: TrainingState,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        images_per_second: float,
        seconds: float,
    ) -> dict[str, Any]:
        """What is compared between epochs."""
        return {"epoch": state.counters.epoch, "step": state.step, "val_loss": validation["loss"]}

    def epoch_ended(
        self,
        state: TrainingState,
        train: Mapping[str, float],
        validation: Mapping[str, float],
        row: Mapping[str, Any],
    ) -> None:
        """See `Journal`."""

    def close(self) -> None:
        """See `Journal`."""
