"""The program's training step with nothing round it but its own stream of batches from memory."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import tensorflow as tf

from cae.data.pipeline import make_training_batches
from cae.model import build_autoencoder
from cae.training.amount import Amount, resolve
from cae.training.distribution.strategy import make_strategy, uses_xla
from cae.training.objective import Objective
from cae.training.optimizer import make_optimizer
from cae.training.step import Steps

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.data.image_set import ImageSet
    from cae.plan import Plan


class BareSteps:
    """Compiled steps and their batches, put together as `cae.training.train` does it.

    Args:
        config: the whole configuration.
        plan: of the model.
        images: training images.
    """

    def __init__(self, config: RunConfig, plan: Plan, images: ImageSet) -> None:
        section = config.training
        amount = Amount.of(resolve(section, len(images), bytes_per_image=1), len(images))
        strategy = make_strategy("one_device")
        self.autoencoder = build_autoencoder(plan, seed=config.seed, precision=section.precision)
        optimizer = make_optimizer(section, amount)
        optimizer.build(self.autoencoder.model.trainable_variables)
        self.steps = Steps(
            self.autoencoder,
            optimizer,
            Objective(config.objective),
            config.objective.corruption,
            seed=config.seed,
            strategy=strategy,
            xla=uses_xla(section.xla, strategy),
        )
        self.batches = iter(
            make_training_batches(images, amount.batch_size, seed=config.seed, augmentation=config.data.augmentation)
        )

    def take(self, number: int) -> float:
        """Take so many steps; returns the seconds until their sums are known."""
        started = time.perf_counter()
        self.steps.train(self.batches, tf.constant(number, tf.int64), self.steps.zero_sums()).numpy()
        return time.perf_counter() - started

    def trace(self) -> float:
        """Trace the step as the first call would; returns the seconds it takes."""
        started = time.perf_counter()
        self.steps.train.get_concrete_function(self.batches, tf.constant(1, tf.int64), self.steps.zero_sums())
        return time.perf_counter() - started
