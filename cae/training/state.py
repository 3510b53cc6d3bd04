"""All that decides how training goes on, gathered for a checkpoint and put back from one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.errors import UserError
from cae.runs.images import check_same_number
from cae.training.checkpoints import Checkpoint
from cae.training.from_keras.callbacks import PREFIX, Callbacks
from cae.training.optimizer import has_averaged

if TYPE_CHECKING:
    from cae.training.step import Steps


@dataclass
class Counters:
    """What the host keeps between epochs.

    Args:
        epoch: finished epochs.
        sums: what the running epoch has added up so far; see `cae.training.step.Sums`.
        best_epoch: epoch with the lowest validation loss, 0 before the first.
        best_metrics: its row of metrics.jsonl, with the figures of the better weights where there are averaged ones.
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


class TrainingState:
    """Weights and their average, optimizer, seed generators, step, best weights, counters, and callbacks' own."""

    def __init__(self, steps: Steps, num_images: int, callbacks: Callbacks | None = None) -> None:
        self.steps = steps
        self.callbacks = callbacks or Callbacks()
        self.counters = Counters(sums=steps.zero_sums().numpy().tolist(), num_images=num_images)
        self.best_weights = [np.array(value) for value in steps.autoencoder.model.get_weights()]

    @property
    def step(self) -> int:
        """Finished steps."""
        return int(self.steps.step.numpy())

    @property
    def sums(self) -> tf.Tensor:
        """The running epoch's sums."""
        return tf.constant(self.counters.sums, tf.float64)

    @property
    def keeps_average(self) -> bool:
        """Whether the best weights are averaged ones."""
        return has_averaged(self.counters.best_metrics)

    def keep_best(self) -> None:
        """Remember the present weights as the best, or their average where `best_metrics` are its figures."""
        average = self.steps.average if self.keeps_average else None
        values = self.steps.autoencoder.model.get_weights() if average is None else average.values
        self.best_weights = [np.array(value) for value in values]

    def to_checkpoint(self) -> Checkpoint:
        """Copy everything."""
        arrays = {name: np.asarray(variable) for name, variable in self._variables().items()}
        arrays |= {f"best/{number}": value for number, value in enumerate(self.best_weights)}
        arrays |= self.callbacks.to_arrays()
        return Checkpoint(self.step, arrays, asdict(self.counters))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back.

        Nothing is put back of a checkpoint that is refused.

        Raises:
            UserError: if the checkpoint is of another model, or of another number of images, or its counters are none.
        """
        variables = self._variables()
        self._check_arrays(checkpoint.arrays, variables)
        counters = self._check_counters(parse_counters(checkpoint.counters))
        for name, variable in variables.items():
            variable.assign(checkpoint.arrays[name])
        self.steps.spread_dropout_seeds()
        self.best_weights = [checkpoint.arrays[f"best/{number}"] for number in range(len(self.best_weights))]
        self.counters = counters
        self.callbacks.restore(checkpoint.arrays)

    def _check_arrays(self, arrays: dict[str, np.ndarray], variables: dict[str, Any]) -> None:
        expected = {name: (tuple(one.shape), _numpy_type(one)) for name, one in variables.items()}
        expected |= {f"best/{number}": (one.shape, one.dtype) for number, one in enumerate(self.best_weights)}
        found = {name: (one.shape, one.dtype) for name, one in arrays.items() if not name.startswith(PREFIX)}
        if expected != found:
            different = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            raise UserError(f"The checkpoint is of another model; differing variables: {', '.join(different[:5])}.")

    def _check_counters(self, counters: Counters) -> Counters:
        if len(counters.sums) != len(self.counters.sums):
            raise UserError(
                f"The checkpoint's counter `sums` must have {len(self.counters.sums)} numbers here. Received:"
                f" {len(counters.sums)}."
            )
        check_same_number("The checkpoint", counters.num_images, self.counters.num_images)
        return counters

    def _variables(self) -> dict[str, Any]:
        # Numbers in the order of building, which the plan fixes: Keras' own names count what the process has built.
        # `variables` holds the seed generators' states too, which `weights` leaves out.
        model = self.steps.autoencoder.model.variables
        optimizer = self.steps.optimizer.variables
        named = {f"model/{number}": variable for number, variable in enumerate(model)}
        named |= {f"optimizer/{number}": variable for number, variable in enumerate(optimizer)}
        average = self.steps.average.variables if self.steps.average is not None else []
        named |= {f"average/{number}": variable for number, variable in enumerate(average)}
        return named | {"step": self.steps.step}


def _numpy_type(variable: Any) -> np.dtype:
    """Of a variable of TensorFlow, or of Keras, which names its type."""
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)
