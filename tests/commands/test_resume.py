"""Runs that are killed, interrupted and resumed, in processes of their own."""

import json
import random
import signal
import time

import h5py
import numpy as np
import pytest

from tests.conftest import run_process, start_process

# Everything that draws random numbers or counts: dropout, noise, augmentation, schedule, early stopping.
HARD = """
experiment: e
name: {name}
seed: 5
model: {{encoder: {{filters: [4, 8], dropout: 0.2, normalization: batch}}, bottleneck: none,
         decoder: {{upsampling: max_unpool}}}}
objective: {{reconstruction: {{mse: 1.0, ssim: 0.1}}, corruption: {{kind: gaussian, stddev: 0.2}}, latent_l1: 0.001}}
training: {{epochs: 40, batch_size: 16, deterministic: true, checkpoint_minutes: 0.002,
            schedule: {{kind: cosine, warmup_epochs: 2}}, early_stopping: {{patience: 30}}}}
logging: {{image_epochs: 10}}
"""
AUGMENTATION = ["--set", "data.augmentation={horizontal_flip: true, random_crop: 2}"]


def weights(run):
    found = {}
    with h5py.File(run / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def metrics(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "images_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def assert_same_run(one, other):
    assert metrics(one) == metrics(other)
    mine, its = weights(one), weights(other)
    assert mine.keys() == its.keys()
    assert mine
    for name in mine:
        np.testing.assert_array_equal(mine[name], its[name], err_msg=name)


def scalars(folder):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    points = []
    for file in sorted(folder.glob("events*")):
        for event in EventFileLoader(str(file)).Load():
            points += [(value.tag, event.step) for value in event.summary.value if event.HasField("summary")]
    return points


def wait_for_rows(run, number, process):
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        path = run / "metrics.jsonl"
        if path.exists() and len(path.read_text().splitlines()) >= number:
            return
        time.sleep(0.02)


def test_a_run_that_was_killed_and_resumed_equals_one_that_was_not_bit_for_bit(write_config, tmp_path):
    config = write_config(HARD.format(name="whole"))
    code, out, err = run_process("train.py", config, *AUGMENTATION, "--runs-dir", tmp_path)
    assert code == 0, err
    whole = tmp_path / "e" / "whole"
    assert out.splitlines()[-1] == str(whole)

    config = write_config(HARD.format(name="killed"), "killed.yaml")
    killed, generator = tmp_path / "e" / "killed", random.Random(1)
    command = ["train.py", config, *AUGMENTATION, "--runs-dir", tmp_path, "--resume"]
    for rows in (1, 8, 16):
        process = start_process(*command)
        wait_for_rows(killed, rows, process)
        time.sleep(generator.uniform(0, 0.3))
        process.kill()
        process.communicate()
    assert not (killed / "summary.json").exists()
    code, _, err = run_process(*command)
    assert code == 0, err
    assert "Going on from step" in err
    assert_same_run(whole, killed)
    for part in ("train", "validation"):
        points = scalars(killed / part)
        assert len(points) == len(set(points)), "a step was logged twice"
        assert sorted(points) == sorted(scalars(whole / part))
        steps = [step for tag, step in points if tag == "mse"]
        assert steps == sorted(steps)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stop_signal_writes_a_checkpoint_and_its_exit_code(write_config, tmp_path, number, code):
    config = write_config("training: {epochs: 100000}\nmodel: {encoder: {filters: [2]}}")
    process = start_process("train.py", config, "--runs-dir", tmp_path)
    run = tmp_path / "default" / "run"
    wait_for_rows(run, 2, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert "--resume" in err
    assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
    assert list((run / "checkpoints").glob("step-*.json"))
