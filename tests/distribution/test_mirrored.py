"""One machine, several devices: as many logical CPUs, each in the place of a GPU."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import make_images
from tests.distribution.runs import SECONDS, assert_same, finish, rows_of, start

# 162 training images in batches of 16, 18 for validation: the last batch of each has 2, fewer than 3 devices.
NOISE = """
experiment: noise
data: {{source: arrays, path: {images}, augmentation: {{horizontal_flip: true, vertical_flip: true, random_crop: 2}}}}
model: {{encoder: {{filters: [4, 8]}}, decoder: {{upsampling: max_unpool}}}}
objective: {{reconstruction: {{mse: 1.0, ssim: 0.1}}, corruption: {{kind: gaussian, stddev: 0.2}}, latent_l1: 0.001}}
training: {{epochs: 2, batch_size: 16, global_clipnorm: 0.05, optimizer: {{name: adamw, weight_decay: 0.1}},
            schedule: {{kind: cosine}}, ema: {{momentum: 0.8}}, strategy: mirrored}}
"""
STATISTICS = """
experiment: statistics
data: {{source: arrays, path: {images}}}
model: {{encoder: {{filters: [4, 8], normalization: {{kind: batch, synchronized: true, momentum: 0.9}}}},
         decoder: {{upsampling: resize}}}}
objective: {{reconstruction: {{psnr: 0.001}}, corruption: {{kind: masked_patches, patch_size: 3, fraction: 0.3}}}}
training: {{epochs: 2, batch_size: 16, optimizer: {{name: sgd, learning_rate: 0.01}}, strategy: mirrored}}
"""
# What has no single-device result to be held against: each device normalises over its own share.
OWN = """
experiment: own
data: {{source: arrays, path: {images}}}
model: {{encoder: {{filters: [4, 8], dropout: 0.3, normalization: {{kind: batch, momentum: 0.5}}}}}}
training: {{epochs: 2, batch_size: 16, precision: mixed_float16, optimizer: nadam, strategy: mirrored}}
"""
# The same image over and over, one for each device in every step: 16 steps on any number of devices.
DROPOUT = """
experiment: dropout
data: {{source: arrays, path: {images}}}
model: {{encoder: {{filters: [8, 8], dropout: 0.5}}}}
training: {{epochs: 1, batch_size: {number}, strategy: mirrored}}
"""
TEXTS = {"noise": NOISE, "statistics": STATISTICS, "own": OWN, "dropout": DROPOUT}
TRAINED = {1: ["noise", "statistics", "dropout"], 2: ["own", "dropout"], 3: ["noise", "statistics"]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory, image_file):
    """Runs on 1, 2 and 3 devices: {(number, name): run}."""
    folder = tmp_path_factory.mktemp("mirrored")
    processes, found = [], {}
    for number, names in TRAINED.items():
        commands = []
        for name in names:
            text = TEXTS[name]
            config = folder / f"{name}-{number}.yaml"
            images = image_file
            if name == "dropout":
                images = folder / f"{name}-{number}.npy"
                np.save(images, np.repeat(make_images(1, 15, 10), 20 * number, axis=0))
            text = text.format(images=images, number=number)
            config.write_text(f"name: {name}-{number}\nlogging: {{tensorboard: false}}" + text)
            commands += ["train", config, "--runs-dir", folder, "--"]
            found[number, name] = folder / name / f"{name}-{number}"
        processes.append(start(["-m", "tests.distribution.logical_cpus", number, *commands]))
    for code, _, err in finish(processes, 3 * SECONDS):  # up to three runs in each
        assert code == 0, err
    return found


@pytest.mark.parametrize("name", ["noise", "statistics"])
def test_several_devices_train_what_one_trains(runs, name):
    assert_same(runs[1, name], runs[3, name])


def test_dropout_statistics_of_each_device_and_scaled_losses_train(runs):
    rows = rows_of(runs[2, "own"])
    assert all(math.isfinite(row["val_loss"]) for row in rows)
    losses = [row["loss"] for row in rows]
    assert losses[-1] < losses[0]


def test_every_device_drops_values_of_its_own(runs):
    # Did both drop the same values of the same image, two would learn just what one learns from that image alone.
    (one,), (two,) = (rows_of(runs[number, "dropout"]) for number in (1, 2))
    assert one["step"] == two["step"]
    assert abs(one["loss"] - two["loss"]) > 1e-3 * one["loss"]


# Prints each device's dropout seeds: at the start, and in another training that takes up a checkpoint of the first.
TAKEN_UP = """
import json
from cae.engine import start_engine
start_engine()
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from cae.config import RunConfig
from cae.plan import make_plan
from cae.training.train import Training

def make_state():
    config = RunConfig.model_validate({"model": {"encoder": {"filters": [2], "dropout": 0.5}}, **STRATEGY})
    splits = type("Splits", (), {"train": range(9)})
    return Training(config, make_plan(config.model, (8, 8, 1)), splits, run=None, tell=print)._make_state()

def seeds(state):
    steps = state.steps
    states = [v for v in steps.autoencoder.model.variables if v.path.endswith("seed_generator_state")]
    return [[int(copy[0]) for copy in steps.strategy.experimental_local_results(one.value)] for one in states]

STRATEGY = {"training": {"strategy": "mirrored", "batch_size": 4, "epochs": 1}}
first, second = make_state(), make_state()
second.restore(first.to_checkpoint())
print(json.dumps([seeds(first), seeds(second)]))
"""


def test_every_device_goes_on_with_its_own_dropout_after_a_resume():
    ((code, out, err),) = finish([start(["-c", TAKEN_UP])])
    assert code == 0, err
    before, after = json.loads(out)
    assert before == after
    assert before
    assert all(len(set(copies)) == 2 for copies in before)


def test_what_is_validated_on_several_devices_is_what_is_saved(runs, run_command):
    # One device, which knows the saved weights and statistics only, finds the validation error of the best epoch.
    run = runs[2, "own"]
    code, _, err = run_command("evaluate", run, "--split", "validation")
    assert code == 0, err
    best = json.loads((run / "summary.json").read_text())["best"]
    results = json.loads((run / "evaluation" / "results.json").read_text())
    assert results["mse"] == pytest.approx(best["val_mse"], rel=1e-5)


def test_a_batch_of_fewer_images_than_devices_is_a_mistake(run_command, tmp_path, image_file, monkeypatch):
    monkeypatch.setattr("cae.training.train.make_strategy", lambda *_: SimpleNamespace(num_replicas_in_sync=4))
    config = tmp_path / "config.yaml"
    config.write_text(STATISTICS.format(images=image_file))
    code, _, err = run_command("train", config, "--runs-dir", tmp_path, "--set", "training.batch_size=3")
    assert code == 2
    assert "batch_size=3" in err
    assert "Traceback" not in err
