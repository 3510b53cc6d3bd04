"""Runs that are killed, interrupted and resumed, in processes of their own."""

import json
import random
import signal
import time

import h5py
import numpy as np
import pytest

from tests.conftest import run_process, start_process

# Everything that draws random numbers or counts: dropout, noise, augmentation, schedule, early stopping; and shared
# kernels.
HARD = """
experiment: e
name: {name}
seed: 5
model: {{encoder: {{filters: [4, 8], dropout: 0.2, normalization: batch}}, bottleneck: none,
         decoder: {{upsampling: max_unpool, tied_weights: true}}}}
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


def test_a_stop_before_the_first_step_leaves_a_checkpoint_too(write_config, tmp_path):
    config = write_config("training: {epochs: 100000}\nmodel: {encoder: {filters: [2]}}")
    process = start_process("train.py", config, "--runs-dir", tmp_path)
    for line in process.stderr:
        if line.startswith("Training "):
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    run = tmp_path / "default" / "run"
    assert list((run / "checkpoints").glob("step-*.json"))
    assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"


SHORT = "training: {epochs: 3, batch_size: 64}\nmodel: {encoder: {filters: [2], dropout: 0.5}}\n"


@pytest.fixture
def half_finished(run_command, write_config, tmp_path):
    """A run whose end was lost: its newest checkpoint is that of the second of three epochs."""
    config = write_config(SHORT)
    command = ("train", config, "--runs-dir", tmp_path)
    assert run_command(*command)[0] == 0
    run = tmp_path / "default" / "run"
    before = metrics(run)
    (run / "summary.json").unlink()
    for path in (run / "checkpoints").glob("step-0000000009*"):
        path.unlink()
    return run, command, before


def test_another_run_in_the_same_process_can_be_resumed(half_finished, run_command):
    run, command, before = half_finished
    code, _, err = run_command(*command, "--resume")
    assert code == 0, err
    assert "Going on from step 6, after epoch 2" in err
    assert metrics(run) == before


def test_a_damaged_checkpoint_is_said_and_without_any_other_it_is_an_error(half_finished, run_command):
    run, command, _ = half_finished
    (arrays,) = (run / "checkpoints").glob("step-*6.npz")
    arrays.write_bytes(arrays.read_bytes()[:-100])
    code, _, err = run_command(*command, "--resume")
    assert code == 1
    assert arrays.name in err
    assert "--overwrite" in err


@pytest.mark.parametrize("damage", ["{", "[1]", ""])
def test_damaged_by_products_do_not_stand_in_the_way_of_resuming(half_finished, run_command, damage):
    run, command, before = half_finished
    (run / "summary.json").write_text(damage)
    with open(run / "metrics.jsonl", "a") as file:
        file.write(damage)
    code, _, err = run_command(*command, "--resume")
    assert code == 0, err
    assert metrics(run) == before


def test_changed_data_are_refused(half_finished, run_command, image_file, tmp_path):
    run, _, _ = half_finished
    np.save(tmp_path / "fewer.npy", np.load(image_file)[:100])
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(image_file), str(tmp_path / "fewer.npy")))
    code, _, err = run_command("train", config, "--runs-dir", tmp_path, "--resume")
    assert code == 1
    assert "162 training images then, 81 now" in err


def test_overwriting_goes_through_after_a_kill_in_its_middle(half_finished, run_command):
    run, command, _ = half_finished
    old = run.with_name(".old-run")
    run.rename(old)  # the moment between moving the old run aside and deleting it
    (old / "config.yaml").unlink()
    assert run_command(*command, "--overwrite")[0] == 0
    assert run_command(*command, "--overwrite")[0] == 0
    assert not old.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_disk_that_takes_no_more_ends_with_a_message_and_a_failed_summary(write_config, tmp_path):
    import resource

    limit = 40_000
    config = write_config("training: {epochs: 3}\nmodel: {encoder: {filters: [32, 64]}}")
    process = start_process(
        "train.py",
        config,
        "--runs-dir",
        tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "error:" in err
    assert json.loads((tmp_path / "default/run/summary.json").read_text())["status"] == "failed"
