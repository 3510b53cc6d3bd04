"""Optimizers and schedules, against the formulas they are named after."""

import math

import keras
import numpy as np
import pytest

from cae.config.training import TrainingSection
from cae.training.optimizer import make_optimizer


def rates(schedule, epochs, steps_per_epoch, rate=0.1):
    section = TrainingSection.model_validate(
        {"epochs": epochs, "schedule": schedule, "optimizer": {"name": "sgd", "learning_rate": rate}}
    )
    optimizer = make_optimizer(section, steps_per_epoch)
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    found = []
    for _ in range(epochs * steps_per_epoch):
        before = float(weight.numpy())
        optimizer.apply([keras.ops.convert_to_tensor(1.0)], [weight])
        found.append(before - float(weight.numpy()))
    return found


def test_a_constant_rate_is_constant():
    np.testing.assert_allclose(rates({"kind": "constant"}, 2, 3), [0.1] * 6, rtol=1e-5)


def test_cosine_falls_along_half_a_cosine_to_its_final_fraction():
    expected = [0.1 * (0.2 + 0.8 * (1 + math.cos(math.pi * step / 20)) / 2) for step in range(20)]
    np.testing.assert_allclose(rates({"kind": "cosine", "final_fraction": 0.2}, 4, 5), expected, atol=1e-6)


def test_cosine_rises_linearly_while_it_warms_up():
    found = rates({"kind": "cosine", "warmup_epochs": 2.0}, 6, 5)
    np.testing.assert_allclose(found[:10], [0.1 * step / 10 for step in range(10)], atol=1e-6)
    expected = [0.1 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    np.testing.assert_allclose(found[10:], expected, atol=1e-6)


def test_step_multiplies_every_few_epochs():
    found = rates({"kind": "step", "every_epochs": 2, "factor": 0.5}, 6, 3)
    np.testing.assert_allclose(found, [0.1] * 6 + [0.05] * 6 + [0.025] * 6, rtol=1e-4)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd", "rmsprop"])
def test_the_global_norm_of_gradients_is_clipped(name):
    section = TrainingSection.model_validate({"optimizer": {"name": name}, "global_clipnorm": 5.0})
    optimizer = make_optimizer(section, 10)
    assert type(optimizer).__name__.lower() == name
    assert optimizer.global_clipnorm == 5.0


def test_float16_scales_the_loss_and_bfloat16_needs_not():
    for precision, scaled in (("mixed_float16", True), ("mixed_bfloat16", False), ("float32", False)):
        optimizer = make_optimizer(TrainingSection.model_validate({"precision": precision}), 10)
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) is scaled
