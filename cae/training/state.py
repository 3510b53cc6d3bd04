"""All that decides how training goes on, gathered for a checkpoint and put back from one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.errors import UserError
from cae.training.checkpoints import Checkpoint

if TYPE_CHECKING:
    from cae.training.step import Steps


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


class TrainingState:
    """Weights, optimizer, seed generators, step, best weights and counters."""

    def __init__(self, steps: Steps, num_images: int) -> None:
        self.steps = steps
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

    def keep_best(self) -> None:
        """Remember the present weights as the best."""
        self.best_weights = [np.array(value) for value in self.steps.autoencoder.model.get_weights()]

    def to_checkpoint(self) -> Checkpoint:
        """Copy everything."""
        arrays = {name: np.asarray(variable) for name, variable in self._variables().items()}
        arrays |= {f"best/{number}": value for number, value in enumerate(self.best_weights)}
        return Checkpoint(self.step, arrays, asdict(self.counters))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Put everything back.

        Raises:
            UserError: if the checkpoint is of another model, or of another number of images.
        """
        variables = self._variables()
        expected = {name: tuple(variable.shape) for name, variable in variables.items()}
        expected |= {f"best/{number}": value.shape for number, value in enumerate(self.best_weights)}
        found = {name: value.shape for name, value in checkpoint.arrays.items()}
        if expected != found:
            different = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            raise UserError(f"The checkpoint is of another model; differing variables: {', '.join(different[:5])}.")
        num_images = checkpoint.counters["num_images"]
        if num_images != self.counters.num_images:
            raise UserError(
                f"The data have changed since the checkpoint: {num_images} training images then,"
                f" {self.counters.num_images} now. Start again with --overwrite."
            )
        for name, variable in variables.items():
            variable.assign(checkpoint.arrays[name])
        self.steps.spread_dropout_seeds()
        self.best_weights = [checkpoint.arrays[f"best/{number}"] for number in range(len(self.best_weights))]
        self.counters = Counters(**checkpoint.counters)

    def _variables(self) -> dict[str, Any]:
        # Numbers in the order of building, which the plan fixes: Keras' own names count what the process has built.
        # `variables` holds the seed generators' states too, which `weights` leaves out.
        model = self.steps.autoencoder.model.variables
        optimizer = self.steps.optimizer.variables
        named = {f"model/{number}": variable for number, variable in enumerate(model)}
        named |= {f"optimizer/{number}": variable for number, variable in enumerate(optimizer)}
        return named | {"step": self.steps.step}
