"""What the host keeps between epochs, and how it is read back from a checkpoint, which may come from a stranger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from cae.errors import UserError


@dataclass
class Counters:
    """What the host keeps between epochs.

    Args:
        epoch: finished epochs.
        sums: what the running epoch has added up so far; see `Steps.zero_sums`.
        best_epoch: epoch with the lowest validation loss, 0 before the first.
        best_metrics: its row of metrics.jsonl.
        stopping_loss: lowest validation loss that counted as an improvement, infinite (null) before the first.
        epochs_without_improvement: for early stopping.
        last_metrics: the newest row of metrics.jsonl.
        seconds: time spent in training so far, over all sessions.
        epoch_seconds: of these, in the running epoch.
        num_images: training images; a checkpoint fits no other number of them.
    """

    epoch: int = 0
    sums: list[float] = field(default_factory=list)
    best_epoch: int = 0
    best_metrics: dict[str, Any] = field(default_factory=dict)
    stopping_loss: float | None = None
    epochs_without_improvement: int = 0
    last_metrics: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    epoch_seconds: float = 0.0
    num_images: int = 0


def parse_counters(found: dict[str, Any]) -> Counters:
    """Make counters of what a checkpoint holds.

    Example:
        >>> from dataclasses import asdict
        >>> parse_counters(asdict(Counters(epoch=3))).epoch
        3

    Args:
        found: of JSON, as `dataclasses.asdict` of counters gives it.

    Raises:
        UserError: a counter is missing, unknown, or of another kind.
    """
    names = [counter.name for counter in fields(Counters)]
    if wrong := sorted(set(names) ^ set(found)):
        raise UserError(f"The checkpoint's counters must be {', '.join(names)}. Missing or unknown: {wrong[:5]!r}.")
    for name in names:
        rule, holds = _RULES[name]
        if not holds(found[name]):
            raise UserError(f"The checkpoint's counter `{name}` must be {rule}. Received: {str(found[name])[:100]!r}.")
    return Counters(**found)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_row(value: Any) -> bool:
    if not isinstance(value, dict) or not all(map(_is_number, value.values())):
        return False
    return not value or (_is_count(value.get("step")) and "val_loss" in value)


_COUNT: tuple[str, Callable[[Any], bool]] = ("a whole number from 0 on", _is_count)
_NUMBER: tuple[str, Callable[[Any], bool]] = ("a number", _is_number)
_ROW: tuple[str, Callable[[Any], bool]] = ("a row of metrics.jsonl, or empty", _is_row)
_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "epoch": _COUNT,
    "sums": ("a list of numbers", lambda value: isinstance(value, list) and all(map(_is_number, value))),
    "best_epoch": _COUNT,
    "best_metrics": _ROW,
    "stopping_loss": ("a number or null", lambda value: value is None or _is_number(value)),
    "epochs_without_improvement": _COUNT,
    "last_metrics": _ROW,
    "seconds": _NUMBER,
    "epoch_seconds": _NUMBER,
    "num_images": _COUNT,
}
