"""Runs that are interrupted and resumed; those that are killed are in `tests/faults`."""

import json
import signal
import time

import numpy as np
import pytest

from tests.conftest import start_process
from tests.faults.runs import metrics, wait_for_rows


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
