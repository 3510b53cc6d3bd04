"""All that decides how training goes on, gathered for a checkpoint and put back from one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.errors import UserError
from cae.training.checkpoints import Checkpoint
from cae.training.counters import Counters, parse_counters

if TYPE_CHECKING:
    from cae.training.step import Steps


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

    def _check_arrays(self, arrays: dict[str, np.ndarray], variables: dict[str, Any]) -> None:
        expected = {name: (tuple(one.shape), _numpy_type(one)) for name, one in variables.items()}
        expected |= {f"best/{number}": (one.shape, one.dtype) for number, one in enumerate(self.best_weights)}
        found = {name: (array.shape, array.dtype) for name, array in arrays.items()}
        if expected != found:
            different = sorted(name for name in expected | found if expected.get(name) != found.get(name))
            raise UserError(f"The checkpoint is of another model; differing variables: {', '.join(different[:5])}.")

    def _check_counters(self, counters: Counters) -> Counters:
        if len(counters.sums) != len(self.counters.sums):
            raise UserError(
                f"The checkpoint's counter `sums` must have {len(self.counters.sums)} numbers here. Received:"
                f" {len(counters.sums)}."
            )
        if counters.num_images != self.counters.num_images:
            raise UserError(
                f"The data have changed since the checkpoint: {counters.num_images} training images then,"
                f" {self.counters.num_images} now. Start again with --overwrite."
            )
        return counters

    def _variables(self) -> dict[str, Any]:
        # Numbers in the order of building, which the plan fixes: Keras' own names count what the process has built.
        # `variables` holds the seed generators' states too, which `weights` leaves out.
        model = self.steps.autoencoder.model.variables
        optimizer = self.steps.optimizer.variables
        named = {f"model/{number}": variable for number, variable in enumerate(model)}
        named |= {f"optimizer/{number}": variable for number, variable in enumerate(optimizer)}
        return named | {"step": self.steps.step}


def _numpy_type(variable: Any) -> np.dtype:
    """Of a variable of TensorFlow, or of Keras, which names its type."""
    return np.dtype(tf.as_dtype(variable.dtype).as_numpy_dtype)
