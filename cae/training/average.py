"""An exponential moving average of a model's weights, kept beside the weights that are trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# What a row of metrics.jsonl calls validation figures of the averaged weights: `val_ema_psnr` beside `val_psnr`.
EMA = "ema_"


class WeightAverage:
    """Weights, and the statistics of batch normalisation, averaged over the steps that led to them.

    After step t (counted from 0) `average = m * average + (1 - m) * weight` with `m = min(momentum, t / (9 + t))`.
    The second term is that of TensorFlow's `ExponentialMovingAverage`: it makes the average short while training is,
    so that the random weights of the beginning leave no trace.

    Args:
        model: A built Keras model, made in the scope of the strategy that is entered now.
        momentum: Share of the average that stays in a step, once training is long.
    """

    def __init__(self, model: keras.Model, momentum: float) -> None:
        self._model = model
        self._momentum = momentum
        # Each replica has its own copy. All are alike, since the weights are, and none has to wait for another.
        self.variables = [
            keras.Variable(
                np.asarray(weight),
                dtype=weight.dtype,
                trainable=False,
                synchronization="on_read",
                aggregation="only_first_replica",
                name=f"ema_{number}",
            )
            for number, weight in enumerate(model.weights)
        ]

    @property
    def values(self) -> list[np.ndarray]:
        """Copies of the averaged weights, in the order of the model's."""
        return [np.array(variable) for variable in self.variables]

    def update(self, step: Any) -> None:
        """Take in the model's weights, within a replica.

        Args:
            step: Steps that were taken before this one, an integer scalar.
        """
        steps = tf.cast(step, tf.float32)
        new = 1.0 - tf.minimum(self._momentum, steps / (9.0 + steps))
        for average, weight in zip(self.variables, self._model.weights, strict=True):
            average.value.assign_add(new * (weight.value - average.value))

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the model have the averaged weights meanwhile."""
        trained = self._model.get_weights()
        self._model.set_weights(self.values)
        try:
            yield
        finally:
            self._model.set_weights(trained)


def has_averaged(row: Mapping[str, Any]) -> bool:
    """Whether a row as `of_better_weights` gives it has the figures of the averaged weights."""
    return f"val_{EMA}loss" in row and row[f"val_{EMA}loss"] == row["val_loss"]


def of_better_weights(row: Mapping[str, Any]) -> dict[str, Any]:
    """An epoch's figures, `val_*` being those of the weights with the lower validation loss.

    >>> of_better_weights({"val_loss": 2.0, "val_psnr": 20.0, "val_ema_loss": 1.0, "val_ema_psnr": 21.0})
    {'val_loss': 1.0, 'val_psnr': 21.0, 'val_ema_loss': 1.0, 'val_ema_psnr': 21.0}

    Args:
        row: Of metrics.jsonl.
    """
    if row.get(f"val_{EMA}loss", np.inf) > row["val_loss"]:
        return dict(row)
    prefix = f"val_{EMA}"
    averaged = {f"val_{name.removeprefix(prefix)}": row[name] for name in row if name.startswith(prefix)}
    return {**row, **averaged}
