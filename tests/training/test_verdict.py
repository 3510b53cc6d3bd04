"""What is told of a training whose results deserve no trust, and where."""

import json

import numpy as np
import pytest

import cae
from cae.api.spoken import in_python
from cae.config import RunConfig
from cae.errors import RunWarning, from_json
from cae.measures.verdict import below_floor
from cae.plan import make_plan
from cae.training.summary import Spread, below_mean_image, foreseen, not_converged
from tests.conftest import make_images

SMALL = (
    "model: {encoder: {filters: [4]}, bottleneck: {kind: spatial, channels: 2}}\n"
    "training: {epochs: 2, batch_size: 64}\n"
)


def codes(found):
    return [warning["code"] for warning in found]


def test_few_steps_are_told_before_and_after_training_in_the_summary_and_by_evaluation(
    run_command, write_config, tmp_path
):
    code, out, err = run_command("train", write_config(SMALL), "--runs-dir", tmp_path / "runs")
    assert code == 0
    # 162 of 200 images in batches of 64 are 3 steps an epoch.
    sentence = "the whole training has 6 steps"
    before, _, after = err.partition("epoch 1/2")
    assert sentence in before
    assert sentence in after
    run = tmp_path / "runs" / "default" / "run"
    summary = json.loads((run / "summary.json").read_text())
    (warning,) = [one for one in summary["warnings"] if one["code"] == "few_steps"]
    assert sentence in warning["message"]
    assert "training.epochs" in warning["message"]

    code, out, _ = run_command("evaluate", run)
    assert code == 0
    assert f"Warning: {warning['message']}" in out
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert warning in results["warnings"]
    # 300 steps are 100 epochs; three times as many as there were would be 6.
    assert "Raise training.epochs to 100 or more" in warning["message"]
    assert "training.epochs=100" in results["verdict"]["try"]
    (floor,) = [one for one in summary["warnings"] if one["code"] == "below_floor"]
    assert floor["message"].endswith(" training.epochs=100")


@pytest.mark.parametrize(
    ("training", "normalization", "number"),
    [
        ({"epochs": 6, "batch_size": 8}, "none", 43),  # 7 steps an epoch
        ({"epochs": 20, "batch_size": 8}, "none", 60),
        ({"epochs": 6, "batch_size": 8}, "batch", 66),  # 459 steps leave 1% of the first statistics
        ({"steps": 20, "batch_size": 8}, "none", 300),
    ],
)
def test_every_warning_tells_the_same_number_of_epochs_or_steps_to_train_for(training, normalization, number):
    settings = {"model": {"encoder": {"normalization": normalization}}, "training": training}
    config = RunConfig.model_validate(settings)
    plan = make_plan(config.model, (28, 28, 1))
    key = "training.steps" if "steps" in training else "training.epochs"
    told = foreseen(config.training, plan, num_images=50)
    assert told
    assert all(f"Raise {key} to {number} or more" in warning.message for warning in told)
    (floor,) = below_floor(20.0, {"block_klt": {"psnr": 21.0}}, config, plan, num_images=50)
    assert floor.message.endswith(f"{key}={number}")


def test_python_gives_warnings_with_code_and_message(write_config, tmp_path):
    result = cae.train(write_config(SMALL), runs_dir=tmp_path / "runs", tell=lambda line: None)
    assert "few_steps" in [warning.code for warning in result.warnings]
    assert result.warnings == result.runs[0].warnings == tuple(from_json(result.summary["warnings"]))


def test_a_warning_given_twice_is_written_once():
    from cae.errors import as_json

    twice = [RunWarning("few_steps", "6 steps")] * 2
    assert from_json(as_json(twice)) == twice[:1]


def spread_of(images, outputs):
    spread = Spread()
    for first in range(0, len(images), 3):
        spread.add(images[first : first + 3], outputs[first : first + 3])
    return [(warning.code, warning.message) for warning in spread.doubts()]


def test_outputs_that_do_not_vary_are_told_from_those_that_do():
    images = make_images(10, 12, 9, 3) / np.float32(255)
    generator = np.random.default_rng(0)
    (found,) = spread_of(images, np.full_like(images, 0.25))
    assert found[0] == "output_constant"
    assert "every pixel of every reconstruction is about 0.250" in found[1]
    (found,) = spread_of(images, np.full_like(images, 0.25) + 1e-4 * generator.standard_normal(images.shape))
    assert "every pixel" in found[1]
    (found,) = spread_of(images, np.broadcast_to(images.mean(axis=0), images.shape))
    assert found[0] == "output_constant"
    assert "the same picture whatever the image is" in found[1]
    assert spread_of(images, 0.5 + 0.1 * (images - 0.5)) == []
    # Nobody can expect more of images that are all alike.
    assert spread_of(np.zeros_like(images), np.zeros_like(images)) == []
    assert spread_of(images[:1], 0.9 * images[:1]) == []


def test_the_mean_image_is_what_a_model_must_beat():
    assert below_mean_image(0.01, 0.05) == []
    assert below_mean_image(0.0, 0.0) == []
    assert [warning.code for warning in below_mean_image(0.05, 0.05)] == ["below_mean_image"]


@pytest.fixture
def train(write_config, tmp_path):
    """Train with changes to SMALL; gives the run and its warnings by their codes."""

    def run(*overrides):
        told = []
        config = write_config(SMALL)
        result = cae.train(config, overrides=overrides, runs_dir=tmp_path / "runs", tell=told.append)
        for warning in result.warnings:
            assert in_python(f"Warning: {warning.message}") in told
        return result, {warning.code: warning.message for warning in result.warnings}

    return run


def test_a_model_that_is_worse_than_the_mean_image_is_told_after_training_and_by_evaluation(train, tmp_path):
    # Nothing is learned at such a rate: the initial weights give gray, and these images are dark.
    np.save(tmp_path / "dark.npy", make_images(200, 15, 10) // 3)
    result, found = train(f"data.path={tmp_path / 'dark.npy'}", "training.optimizer.learning_rate=1.0e-30")
    assert "training.optimizer.learning_rate" in found["below_mean_image"]
    evaluated = result.evaluate()
    assert "below_mean_image" in codes(evaluated["warnings"])
    assert evaluated["mse"] >= evaluated["baselines"]["mean_image"]["mse"]
    # All the more it is worse than transforms that need no training.
    assert "block KLT by" in found["below_floor"]
    assert "below_floor" in codes(evaluated["warnings"])
    margin = evaluated["floors"]["block_klt"]["psnr"] - evaluated["psnr"]
    assert evaluated["verdict"]["below"]["block_klt"] == pytest.approx(margin)
    assert f"block KLT by {margin:.2f} dB" in evaluated["verdict"]["text"]


def test_dead_units_and_a_constant_output_name_layer_and_remedy(train):
    result, found = train("training.optimizer={name: sgd, learning_rate: 1.0e+4}")
    assert {"output_constant", "dead_layer"} <= set(found)
    assert "model.encoder.activation" in found["dead_layer"]
    reconstructions = result.load().reconstruct(make_images(5, 15, 10))
    assert np.ptp(reconstructions, axis=0).max() < 1e-3
    assert "output_constant" in codes(result.evaluate()["warnings"])


def test_too_few_steps_for_the_momentum_of_batch_normalisation_are_told(train):
    _, found = train("model.encoder.normalization=batch")
    # 0.99^6 of the first mean and variance are left.
    assert "keeps 94% of its first mean and variance after 6 steps" in found["unconverged_statistics"]
    _, found = train("name=quick", "model.encoder.normalization={kind: batch, momentum: 0.3}")
    assert "unconverged_statistics" not in found


def test_a_training_that_was_still_improving_says_so(train):
    result, found = train("training.epochs=4", "training.optimizer.learning_rate=0.003")
    gain = result.metrics[-1]["val_psnr"] - result.metrics[-2]["val_psnr"]
    assert ("not_converged" in found) == (gain >= 0.25)
    if gain >= 0.25:
        assert f"{gain:.2f} dB in the last epoch" in found["not_converged"]


@pytest.mark.parametrize(
    ("psnr", "schedule", "told"),
    [
        # conv_transpose of configs/compare_decoders.yaml, seed 0: with 5 epochs, and with 20, which bring 2.7 dB more.
        ([18.03, 19.47, 20.43, 20.69, 20.73], "cosine", "second half of the epochs brought 1.26 dB"),
        (
            [
                *(18.03, 19.62, 20.60, 21.04, 21.48, 21.71, 22.01, 22.48, 22.50, 22.80),
                *(23.01, 23.11, 23.01, 23.29, 23.34, 23.39, 23.41, 23.43, 23.44, 23.44),
            ],
            "cosine",
            "second half of the epochs brought 0.64 dB",
        ),
        # A cosine whose second half brought little, and the same curve at a constant rate.
        ([20.0, 25.0, 26.0, 26.6, 26.8, 26.9, 27.0, 27.0], "cosine", None),
        ([20.0, 25.0, 26.0, 26.6, 26.8, 26.9, 27.0, 27.0], "constant", None),
        ([20.0, 25.0, 26.0, 26.6, 26.8, 26.9, 27.1, 27.4], "constant", "0.50 dB in the last 2 epochs"),
    ],
)
def test_a_falling_learning_rate_does_not_pass_for_convergence(psnr, schedule, told):
    steps = np.arange(1, len(psnr) + 1) / len(psnr)
    rates = (1 + np.cos(np.pi * steps)) / 2 if schedule == "cosine" else np.ones(len(psnr))
    rows = [
        {"epoch": epoch, "val_psnr": value, "learning_rate": 5e-3 * rate}
        for epoch, (value, rate) in enumerate(zip(psnr, rates, strict=True), 1)
    ]
    found = [warning.message for warning in not_converged(rows)]
    assert len(found) == (told is not None)
    assert told is None or told in found[0]
