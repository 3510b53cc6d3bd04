"""Optimizers and schedules, against the formulas they are named after."""

import contextlib
import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config.schema_walk import root_shape
from cae.config.training import TrainingSection
from cae.training.amount import Amount
from cae.training.loop import Loop
from cae.training.optimizer import lower_on_plateau, make_optimizer, one_rate
from cae.training.state import Counters


def rates(schedule, epochs, steps_per_epoch, rate=0.1):
    section = TrainingSection.model_validate(
        {"epochs": epochs, "schedule": schedule, "optimizer": {"name": "sgd", "learning_rate": rate}}
    )
    optimizer = make_optimizer(section, Amount(1, steps_per_epoch, epochs * steps_per_epoch))
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
    optimizer = make_optimizer(section, Amount(1, 10, 100))
    assert type(optimizer).__name__.lower() == name
    assert optimizer.global_clipnorm == 5.0


def test_float16_scales_the_loss_and_bfloat16_needs_not():
    for precision, scaled in (("mixed_float16", True), ("mixed_bfloat16", False), ("float32", False)):
        optimizer = make_optimizer(TrainingSection.model_validate({"precision": precision}), Amount(1, 10, 100))
        assert isinstance(optimizer, keras.optimizers.LossScaleOptimizer) is scaled


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_rate_of_a_step_is_computed_once_and_changes_no_bit(precision):
    class Counting(keras.optimizers.schedules.CosineDecay):
        calls = 0

        def __call__(self, step):
            type(self).calls += 1
            return super().__call__(step)

    def weights_after_steps(block):
        optimizer = keras.optimizers.AdamW(Counting(0.0, 4, warmup_target=0.1, warmup_steps=2), weight_decay=0.1)
        if precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        weights = [keras.Variable([1.0, -2.0]), keras.Variable([[3.0]]), keras.Variable(0.5)]
        optimizer.build(weights)

        @tf.function(autograph=False)
        def step():
            with block(optimizer):
                optimizer.apply([0.3 * weight.value for weight in weights], weights)

        for _ in range(4):
            step()
        return [weight.numpy() for weight in weights], float(optimizer.learning_rate)

    expected = weights_after_steps(lambda optimizer: contextlib.nullcontext())
    asked, Counting.calls = Counting.calls, 0
    found = weights_after_steps(one_rate)
    assert Counting.calls == asked - 3  # once for the step and three times for decay, and once by the last line
    assert found[1] == expected[1]
    for one, other in zip(found[0], expected[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_exponential_falls_by_the_factor_in_every_epochs_step_by_step():
    found = rates({"kind": "exponential", "every_epochs": 0.5, "factor": 0.81}, 2, 4)
    np.testing.assert_allclose(found, [0.1 * 0.9**step for step in range(8)], rtol=1e-4)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_plateau_lowers_the_rate_where_keras_reduces_it(precision):
    losses = [3.0, 2.0, 2.0, 2.5, 2.1, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5]
    schedule = {"kind": "plateau", "patience": 2, "factor": 0.4, "min_learning_rate": 2e-4}
    section = TrainingSection.model_validate({"schedule": schedule, "precision": precision})
    optimizer = make_optimizer(section, Amount(1, 10, 100))
    state = SimpleNamespace(counters=Counters(), keep_best=lambda: None)
    loop = Loop(section, None, None, state, None, None, None, None, agreement=None)
    reference = keras.callbacks.ReduceLROnPlateau("val_loss", 0.4, patience=2, min_delta=0.0, min_lr=2e-4)
    reference.set_model(SimpleNamespace(optimizer=keras.optimizers.Adam(1e-3)))
    reference.on_train_begin()
    found, expected = [], []
    for epoch, loss in enumerate(losses):
        loop._judge({"val_loss": loss})
        lower_on_plateau(section.schedule, optimizer, state.counters.epochs_without_improvement)
        reference.on_epoch_end(epoch, {"val_loss": loss})
        found.append(float(optimizer.learning_rate))
        expected.append(float(reference.model.optimizer.learning_rate))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert len(set(np.round(found, 7))) == 3


KINDS = root_shape().at(("training", "optimizer")).options.shapes


def test_every_optimizer_of_keras_can_be_chosen_but_those_that_wrap_others_or_evaluate_other_weights():
    theirs = {
        name.lower()
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and issubclass(kind, keras.optimizers.Optimizer)
    }
    assert theirs - set(KINDS) == {"optimizer", "lossscaleoptimizer", "multioptimizer", "schedulefreeadamw"}
    assert set(KINDS) - {"keras"} <= theirs


def gradients_of(variables, step):
    generator = np.random.default_rng(step)
    return [keras.ops.convert_to_tensor(generator.normal(size=one.shape).astype("float32")) for one in variables]


@pytest.mark.parametrize("name", KINDS)
def test_the_variables_of_an_optimizer_are_all_that_decides_how_it_goes_on(name):
    section = TrainingSection.model_validate({"optimizer": {"name": name, "weight_decay": 0.1}, "global_clipnorm": 1.0})

    def begin():
        shapes = [(3, 3, 2, 4), (6, 5), (4,)]
        weights = [keras.Variable(np.random.default_rng(9).normal(size=shape).astype("float32")) for shape in shapes]
        optimizer = make_optimizer(section, Amount(1, 10, 100))
        optimizer.build(weights)
        # The step is compiled in training as well: eagerly some sums have other last digits.
        return weights, optimizer, tf.function(lambda gradients: optimizer.apply(gradients, weights), autograph=False)

    weights, optimizer, apply = begin()
    for step in range(4):
        apply(gradients_of(weights, step))
    others, other, apply_other = begin()
    for variable, stored in zip(others + other.variables, weights + optimizer.variables, strict=True):
        variable.assign(np.asarray(stored))
    assert len([one for one in optimizer.variables if one.shape]) >= section.optimizer.slots
    for step in range(4, 7):
        apply(gradients_of(weights, step))
        apply_other(gradients_of(others, step))
    for one, its in zip(weights, others, strict=True):
        np.testing.assert_array_equal(one.numpy(), its.numpy())
    assert all(np.isfinite(one.numpy()).all() for one in weights)
