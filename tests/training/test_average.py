"""The exponential moving average of weights, against NumPy and whole runs."""

import numpy as np
import pytest
import tensorflow as tf

from cae.config import load_config
from cae.config.model import EncoderSection, ModelSection
from cae.config.objective import ObjectiveSection
from cae.config.training import TrainingSection
from cae.data.load import load_splits
from cae.inference import TrainedAutoencoder
from cae.model import build_autoencoder
from cae.plan import make_plan
from cae.training.amount import Amount
from cae.training.objective import Objective
from cae.training.optimizer import WeightAverage, make_optimizer
from cae.training.step import Steps
from tests.faults.runs import assert_same_run, metrics, scalars, summary

CONFIG = """
model: {encoder: {filters: [2], dropout: 0.3, normalization: {kind: batch, momentum: 0.9}}}
training: {batch_size: 16, optimizer: {name: sgd, learning_rate: 1.0}, ema: {momentum: 0.5}}
"""


def test_the_average_is_the_one_that_numpy_computes_of_the_weights_after_each_step():
    shape, momentum = (8, 8, 1), 0.3
    encoder = EncoderSection.model_validate({"filters": [2], "normalization": {"kind": "batch"}})
    model = build_autoencoder(make_plan(ModelSection(encoder=encoder), shape))
    optimizer = make_optimizer(TrainingSection(), Amount(4, 8, 8))
    optimizer.build(model.model.trainable_variables)
    section = ObjectiveSection()
    average = WeightAverage(model.model, momentum)
    strategy = tf.distribute.get_strategy()
    steps = Steps(
        model, optimizer, Objective(section), section.corruption, seed=0, strategy=strategy, average=average, xla=False
    )
    images = tf.constant(np.random.default_rng(0).random((4, *shape), np.float32))
    batches = iter(tf.data.Dataset.from_tensors(images).repeat())
    expected = None
    for number in range(8):
        steps.train(batches, tf.constant(1, tf.int64), steps.zero_sums())
        # Step t keeps at most (1 + n) / (10 + n) with n = t - 1, and the first one nothing.
        kept = min(momentum, number / (9 + number))
        now = [np.float64(weight) for weight in model.model.get_weights()]
        expected = now if number == 0 else [kept * a + (1 - kept) * w for a, w in zip(expected, now, strict=True)]
    for found, wanted in zip(average.values, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert len(average.values) == len(model.weight_names)  # the statistics of batch normalisation among them

    before = model.model.get_weights()
    with average.in_place():
        for found, wanted in zip(model.model.get_weights(), average.values, strict=True):
            np.testing.assert_array_equal(found, wanted)
    for found, wanted in zip(model.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.fixture
def train(run_command, write_config, tmp_path):
    """Train for so many epochs; gives the run and what was said."""

    def run(name, epochs, *arguments):
        config = write_config(f"name: {name}\n{CONFIG}", f"{name}.yaml")
        changes = ("--set", f"training.epochs={epochs}", "--runs-dir", tmp_path, *arguments)
        code, _, err = run_command("train", config, *changes)
        assert code == 0, err
        return tmp_path / "default" / name, err

    return run


def test_both_are_validated_the_better_ones_are_kept_and_training_goes_on_with_them_to_the_bit(train):
    whole, said = train("whole", 3)
    rows, ended = metrics(whole), summary(whole)
    losses = {"raw": [row["val_loss"] for row in rows], "average": [row["val_ema_loss"] for row in rows]}
    best = min(losses["raw"] + losses["average"])
    assert ended["kept_weights"] == next(kind for kind in losses if best in losses[kind])
    assert ended["best"]["val_loss"] == best
    assert not set(losses["raw"]) & set(losses["average"])
    assert f"averaged weights {rows[-1]['val_ema_psnr']:.2f} dB" in said
    averaged_is_better = [averaged < raw for raw, averaged in zip(*losses.values(), strict=True)]
    assert ("best so far (averaged weights)" in said) == any(averaged_is_better)
    assert {"1_loss/val_ema_loss", "2_psnr/val_ema_psnr"} <= {tag for tag, _ in scalars(whole)}
    # The weights on disk are those whose figures were said.
    validation = load_splits(load_config(whole / "config.yaml").data).validation
    images = validation.read(np.arange(len(validation)))
    found = np.square(images / 255.0 - TrainedAutoencoder.load(whole).reconstruct(images)).mean()
    assert found == pytest.approx(ended["best"]["val_mse"], rel=1e-4)

    run, _ = train("run", 1)
    train("run", 3, "--resume")
    assert_same_run(run, whole)
    assert summary(run)["kept_weights"] == ended["kept_weights"]

    without, _ = train("without", 1, "--set", "training.ema=null")
    rows = [{key: value for key, value in row.items() if "ema_" not in key} for row in rows]
    assert rows[:1] == metrics(without)  # averaging changes nothing of the training itself
    assert "kept_weights" not in summary(without)
