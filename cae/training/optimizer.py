"""Keras optimizers and learning-rate schedules from the configuration, and the moving average of weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from cae.config.registration import call_part
from cae.config.training import KerasOptimizer, KerasSchedule, OwnOptimizer
from cae.training.from_keras.objects import class_of, make

if TYPE_CHECKING:
    from cae.config.training import Schedule, TrainingSection
    from cae.training.amount import Amount


def make_optimizer(section: TrainingSection, amount: Amount) -> keras.optimizers.Optimizer:
    """Make the optimizer with its schedule, clipping and, for float16, loss scaling.

    Args:
        section: the `training` section.
        amount: turns the schedule's epochs into steps, and says when it ends.
    """
    arguments = section.optimizer.model_dump()
    name = arguments.pop("name")
    rate = arguments.pop("learning_rate")
    if not arguments["weight_decay"] and name != "adamw":  # of which Keras wants a number
        arguments["weight_decay"] = None
    learning_rate = make_schedule(section.schedule, rate, amount)
    if isinstance(section.optimizer, KerasOptimizer | OwnOptimizer):
        wanted = {"learning_rate": learning_rate, "weight_decay": arguments["weight_decay"]}
        wanted["global_clipnorm"] = section.global_clipnorm
        wanted = {key: one for key, one in wanted.items() if one is not None}
        if isinstance(section.optimizer, OwnOptimizer):
            own = section.optimizer
            optimizer = call_part("training.optimizer", type(own).part, **own.options, **wanted)
        else:
            optimizer = make("optimizer", section.optimizer, wanted)
    else:
        found = class_of("optimizer", name)
        optimizer = found(learning_rate, global_clipnorm=section.global_clipnorm, **arguments)
    if section.precision == "mixed_float16":
        # Gradients below 6e-8 vanish in float16; the scale is part of the optimizer's state.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


def expect_summed_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimizer take gradients that are summed over all replicas already.

    Keras sums them after clipping and after the look for overflows, which both are right for the sum only. Where there
    is a single replica it would trace the sum all the same, whose gradient would keep the step's graph for all time.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list


@contextlib.contextmanager
def one_rate(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Within the block a schedule is computed once, and not again for each variable whose weight decays.

    For a single replica: several would change one optimizer at the same time.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    given = inner._learning_rate
    if isinstance(given, keras.optimizers.schedules.LearningRateSchedule):
        inner._learning_rate = inner.learning_rate
    try:
        yield
    finally:
        inner._learning_rate = given


def make_schedule(section: Schedule, rate: float, amount: Amount) -> Any:
    """The learning rate as a number, or as a Keras schedule over steps; that of a plateau starts from the number."""
    if isinstance(section, KerasSchedule):
        return make("schedule", section)
    if section.kind == "cosine":
        warmup_steps = round(section.warmup_epochs * amount.steps_per_epoch)
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else rate,
            warmup_target=rate if warmup_steps else None,
            warmup_steps=warmup_steps,
            decay_steps=max(1, amount.steps - warmup_steps),
            alpha=section.final_fraction,
        )
    if section.kind in ("step", "exponential"):
        return keras.optimizers.schedules.ExponentialDecay(
            rate,
            decay_steps=section.every_epochs * amount.steps_per_epoch,
            decay_rate=section.factor,
            staircase=section.kind == "step",
        )
    return rate


def lower_on_plateau(section: Schedule, optimizer: keras.optimizers.Optimizer, epochs_without_improvement: int) -> None:
    """Lower the learning rate of a `plateau` schedule after each `patience` epochs without improvement.

    The rate is a variable of the optimizer, and so a part of every checkpoint.
    """
    if section.kind != "plateau" or epochs_without_improvement % section.patience or not epochs_without_improvement:
        return
    optimizer.learning_rate = max(section.min_learning_rate, section.factor * float(optimizer.learning_rate))


# What a row of metrics.jsonl calls validation figures of the averaged weights: `val_ema_psnr` beside `val_psnr`.
EMA = "ema_"


class WeightAverage:
    """Weights, and the statistics of batch normalisation, averaged over the steps that led to them.

    After step t (counted from 0) `average = m * average + (1 - m) * weight` with `m = min(momentum, t / (9 + t))`.
    The second term is that of TensorFlow's `ExponentialMovingAverage`: it makes the average short while training is,
    so that the random weights of the beginning leave no trace.

    Args:
        model: a built Keras model, made in the scope of the strategy that is entered now.
        momentum: share of the average that stays in a step, once training is long.
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
            step: steps that were taken before this one, an integer scalar.
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
        row: of metrics.jsonl.
    """
    if row.get(f"val_{EMA}loss", np.inf) > row["val_loss"]:
        return dict(row)
    prefix = f"val_{EMA}"
    averaged = {f"val_{name.removeprefix(prefix)}": row[name] for name in row if name.startswith(prefix)}
    return {**row, **averaged}
