"""Keras optimizers and learning-rate schedules from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

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
    optimizers = {word.lower(): kind for word, kind in vars(keras.optimizers).items()} | {"nadam": Nadam}
    learning_rate = make_schedule(section.schedule, rate, amount)
    optimizer = optimizers[name](learning_rate, global_clipnorm=section.global_clipnorm, **arguments)
    if section.precision == "mixed_float16":
        # Gradients below 6e-8 vanish in float16; the scale is part of the optimizer's state.
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer


class Nadam(keras.optimizers.Nadam):
    """Keras' own, with all of its state in `variables`, and made for several replicas.

    Without the product of momenta a training that goes on from a checkpoint would go another way.
    """

    def build(self, variables: list[Any]) -> None:
        """See Keras."""
        super().build(variables)
        self._u_product = self.add_variable((), "ones", aggregation="only_first_replica", name="u_product")


def expect_summed_gradients(optimizer: keras.optimizers.Optimizer) -> None:
    """Let an optimizer of several replicas take gradients that are summed over them already.

    Keras sums them after clipping and after the look for overflows, which both are right for the sum only.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = list


def make_schedule(section: Schedule, rate: float, amount: Amount) -> Any:
    """The learning rate as a number, or as a Keras schedule over steps; that of a plateau starts from the number."""
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
