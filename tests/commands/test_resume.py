"""Runs that are interrupted and resumed; those that are killed are in `tests/faults`."""

import hashlib
import json
import math
import shutil
import signal

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata as hparams_metadata

from cae.commands.main import main
from cae.config import load_config
from cae.errors import UserError
from cae.runs.directory import runs_near
from cae.training import train as training
from cae.training.outcome import NonFiniteLossError
from tests.faults.runs import assert_curves_are_whole, assert_same_run, metrics, summary, wait_for_rows, weights
from tests.warm import WarmProcess


def test_an_interrupt_from_outside_writes_a_checkpoint_and_its_exit_code(write_config, tmp_path):
    config = write_config("training: {epochs: 100000}\nmodel: {encoder: {filters: [2]}}")
    process = WarmProcess("train.py", config, "--runs-dir", tmp_path)
    run = tmp_path / "default" / "run"
    wait_for_rows(run, 2, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "--resume" in err
    assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
    assert list((run / "checkpoints").glob("step-*.json"))


# Dropout and augmentation: whatever a training that goes on could lose.
MODEL = "model: {encoder: {filters: [2], dropout: 0.5}}\n"
SHORT = "training: {epochs: 3, batch_size: 64}\n" + MODEL
FLIPPED = ("--set", "data.augmentation.horizontal_flip=true")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, image_file):
    """A short run in its folder of runs; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(f"data: {{source: arrays, path: {image_file}}}\n{SHORT}")
    assert main(["train", str(folder / "config.yaml"), "--runs-dir", str(folder / "runs"), *FLIPPED]) == 0
    return folder / "runs"


@pytest.fixture
def half_finished(finished, write_config, tmp_path):
    """A run whose end was lost: its newest checkpoint is that of the second of three epochs."""
    command = ("train", write_config(SHORT), "--runs-dir", tmp_path, *FLIPPED)
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "default" / "run"
    before = metrics(run)
    (run / "summary.json").unlink()
    for path in (run / "checkpoints").glob("step-0000000009*"):
        path.unlink()
    return run, command, before


def test_a_damaged_checkpoint_is_said_and_without_any_other_it_is_an_error(half_finished, run_command):
    run, command, _ = half_finished
    (arrays,) = (run / "checkpoints").glob("step-*6.npz")
    arrays.write_bytes(arrays.read_bytes()[:-100])
    code, _, err = run_command(*command, "--resume")
    assert code == 1
    assert arrays.name in err
    assert "--overwrite" in err


def test_a_loss_that_is_not_finite_says_which_checkpoint_is_kept_if_any_and_a_lower_rate(
    run_command, write_config, tmp_path
):
    command = ("train", write_config(SHORT), "--runs-dir", tmp_path, "--lr", "1e30", "training.optimizer.name=sgd")
    for more in ((), ("--resume",)):
        code, _, err = run_command(*command, *more)
        assert code == 1
        assert "No checkpoint was written yet. Start again with a lower learning rate, such as --set " in err
        assert "is kept" not in err
    assert "training.optimizer.learning_rate=0.001 (" in str(NonFiniteLossError(7, 1, [], 1e6))
    message = str(NonFiniteLossError(1200, 3, [800, 400], 0.004))
    assert "The last checkpoint, of step 800, is kept." in message
    assert "training.optimizer.learning_rate=0.0004 (" in message


@pytest.mark.parametrize("damage", ["{", "[1]", ""])
def test_damaged_by_products_do_not_stand_in_the_way_of_resuming(half_finished, run_command, damage):
    run, command, before = half_finished
    (run / "summary.json").write_text(damage)
    with open(run / "metrics.jsonl", "a") as file:
        file.write(damage)
    code, _, err = run_command(*command, "--resume")
    assert code == 0, err
    assert "Going on from step 6, after epoch 2" in err
    assert metrics(run) == before


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (slice(100), "162 training images then, 81 now; 18 validation images then, 9 now"),
        (
            slice(None, None, -1),
            "162 training images, as before, but other ones or in another order; 18 validation images, as",
        ),
    ],
)
def test_changed_data_are_refused(half_finished, run_command, image_file, tmp_path, chosen, expected):
    run, _, before = half_finished
    np.save(tmp_path / "others.npy", np.load(image_file)[chosen])
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(image_file), str(tmp_path / "others.npy")))
    code, _, err = run_command("train", config, "--runs-dir", tmp_path, "--resume")
    assert code == 1
    assert f"{run}: the data have changed since this run was begun: {expected}" in err
    assert "--overwrite" in err
    assert metrics(run) == before


def test_processes_that_train_together_have_met_before_one_refuses_changed_data(
    half_finished, run_command, image_file, tmp_path, monkeypatch
):
    """Else the others would wait for it for minutes."""

    def meet(cluster, seconds):
        raise UserError("all are there")

    run, _, _ = half_finished
    np.save(tmp_path / "others.npy", np.load(image_file)[::-1])
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(image_file), str(tmp_path / "others.npy")))
    cluster = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    monkeypatch.setattr(training, "wait_for_all", meet)
    _, _, err = run_command("train", config, "--runs-dir", tmp_path, "--resume", "training.strategy=multi_worker")
    assert "error: all are there" in err


def test_the_same_images_may_lie_elsewhere(half_finished, run_command, image_file, tmp_path):
    run, _, before = half_finished
    shutil.copy(image_file, tmp_path / "moved.npy")
    config = run / "config.yaml"
    config.write_text(config.read_text().replace(str(image_file), str(tmp_path / "moved.npy")))
    assert run_command("train", config, "--runs-dir", tmp_path, "--resume")[0] == 0
    assert metrics(run) == before


def test_overwriting_goes_through_after_a_kill_in_its_middle(half_finished, run_command):
    run, command, _ = half_finished
    old = run.with_name(".old-run")
    run.rename(old)  # the moment between moving the old run aside and deleting it
    (old / "config.yaml").unlink()
    assert run_command(*command, "--overwrite")[0] == 0
    assert run_command(*command, "--overwrite")[0] == 0
    assert not old.exists()


def test_resuming_what_is_not_there_begins_it_and_says_so_first_and_last_with_the_runs_that_are(
    finished, run_command, write_config, tmp_path
):
    begins = f"There is no run {tmp_path / 'default' / 'first'} to go on with: starting at the beginning."
    command = ("train", write_config(SHORT), "--runs-dir", tmp_path, "--resume", "--epochs", "1")
    code, _, err = run_command(*command, "--name", "first")
    assert code == 0, err
    assert err.splitlines()[0] == begins
    assert "There was no run" in err.partition("epoch 1/1")[2]
    code, _, err = run_command(*command, "--name", "frist")
    assert code == 0, err
    runs = f" Runs in {tmp_path / 'default'}: {tmp_path / 'default' / 'first'}."
    first, last = (line for line in err.splitlines() if line.endswith(runs))
    assert first == err.splitlines()[0] == begins.replace("first", "frist") + runs
    assert last in err.partition("epoch 1/1")[2]


def test_runs_are_named_where_the_name_of_the_run_or_of_its_experiment_is_misspelt(tmp_path):
    run = tmp_path / "quickstart" / "first"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    for path, folder in (("quickstart/frist", "quickstart"), ("quikstart/first", ""), ("quickstart", "quickstart")):
        assert runs_near(tmp_path / path) == f" Runs in {tmp_path / folder}: {run}."
    assert runs_near(tmp_path / "nowhere" / "at" / "all") == ""


# No gain counts, so that a plateau is seen at once.
LONGER = (
    MODEL
    + """
training: {batch_size: 64, optimizer: {learning_rate: 0.1}, schedule: %s,
           early_stopping: {patience: 50, min_delta: 9.0}}
"""
)


@pytest.fixture
def train(run_command, write_config, tmp_path):
    """Train a run of a name for so many epochs; gives its folder and what was said."""

    def run(text, name, epochs, *arguments):
        changes = [f"name={name}", f"training.epochs={epochs}"]
        options = [*FLIPPED, *(option for change in changes for option in ("--set", change))]
        code, _, err = run_command("train", write_config(text), "--runs-dir", tmp_path, *options, *arguments)
        assert code == 0, err
        return tmp_path / "default" / name, err

    return run


PLATEAU = LONGER % "{kind: plateau, patience: 1, factor: 0.5}"


@pytest.mark.parametrize(("text", "num_rates", "epochs"), [(SHORT, 1, (2, 3)), (PLATEAU, 2, (3, 6))])
def test_a_run_that_goes_on_for_longer_equals_one_that_was_as_long_from_the_start(
    train, finished, text, num_rates, epochs
):
    fewer, more = epochs
    whole = finished / "default" / "run" if text == SHORT else train(text, "whole", more)[0]
    run, _ = train(text, "run", fewer)
    assert len({row["learning_rate"] for row in metrics(run)}) >= num_rates
    _, err = train(text, "run", more, "--resume")
    assert f"{more} epochs instead of {fewer}" in err
    assert "warning" not in err
    assert_same_run(run, whole)
    assert_curves_are_whole(run, [3 * epoch for epoch in range(1, more + 1)])
    assert load_config(run / "config.yaml").training.epochs == more
    events = EventAccumulator(str(run)).Reload()
    session = events.SummaryMetadata(hparams_metadata.SESSION_START_INFO_TAG).plugin_data.content
    told = hparams_metadata.parse_session_start_info_plugin_data(session).hparams
    assert told["training.epochs"].string_value == str(more)
    assert summary(run)["best"]["epoch"] == summary(whole)["best"]["epoch"]


def test_a_cosine_goes_on_along_the_longer_one_and_it_is_said(train):
    text = LONGER % "cosine"
    train(text, "run", 2)
    run, err = train(text, "run", 4, "--resume")
    assert "Warning: the cosine schedule depends on training.epochs" in err
    # Three steps an epoch; each row has the rate of its last step.
    lengths = [(2, 6), (5, 6), (8, 12), (11, 12)]
    expected = [0.1 * (1 + math.cos(math.pi * step / total)) / 2 for step, total in lengths]
    np.testing.assert_allclose([row["learning_rate"] for row in metrics(run)], expected, rtol=1e-4)


def test_a_run_that_had_stopped_early_goes_on_for_longer_and_waits_for_improvements_anew(train):
    text = "training: {optimizer: {learning_rate: 1.0e-9}, early_stopping: {patience: 2, min_delta: 1.0}}"
    run, _ = train(text, "run", 9)
    assert (summary(run)["status"], summary(run)["epochs"]) == ("stopped_early", 3)
    assert len(metrics(run)) == 3
    _, err = train(text, "run", 9, "--resume")
    assert "stopped_early already; nothing to resume" in err
    _, err = train(text, "run", 10, "--resume")
    assert "early stopping had ended this training" in err
    assert (summary(run)["status"], summary(run)["epochs"]) == ("stopped_early", 5)


def test_a_finished_run_without_its_checkpoints_does_not_go_on_and_is_left_as_it_is(finished, run_command, tmp_path):
    run = shutil.copytree(finished / "default" / "run", tmp_path / "default" / "run")
    shutil.rmtree(run / "checkpoints")
    before = weights(run)
    config = ("train", run / "config.yaml", "--runs-dir", tmp_path, "--resume", "--set", "training.epochs=4")
    code, _, err = run_command(*config)
    assert code == 1
    assert "no checkpoint" in err
    assert "training.start_from" in err
    assert summary(run)["status"] == "finished"
    np.testing.assert_equal(weights(run), before)


@pytest.fixture
def trained(finished, tmp_path):
    """A run to start from, called `first`."""
    return shutil.copytree(finished / "default" / "run", tmp_path / "default" / "first")


def test_a_training_starts_from_the_best_weights_of_another_run_and_says_which(trained, train, tmp_path):
    # Another seed would give other weights, and at this rate they stay as they are.
    text = "seed: 1\ntraining: {start_from: default/first, optimizer: {learning_rate: 1.0e-30}}\n"
    text += "model: {encoder: {filters: [2], dropout: 0.1}}"  # which makes no other model
    run, _ = train(text, "second", 1)
    for name, weight in weights(trained).items():
        # A bias may be 0, and a step at this rate is not nothing.
        np.testing.assert_allclose(weights(run)[name], weight, rtol=0, atol=1e-20, err_msg=name)
    start = {
        "run": str(trained),
        "weights_sha256": hashlib.sha256((trained / "model.weights.h5").read_bytes()).hexdigest(),
    }
    assert json.loads((run / "environment.json").read_text())["start_from"] == start
    assert summary(run)["start_from"] == start
    # A run that goes on needs the other one no more, and still says what it started from.
    shutil.rmtree(trained)
    train(text, "second", 2, "--resume")
    assert summary(run)["start_from"] == start


def test_another_model_to_start_from_is_refused_with_the_first_layer_that_differs(
    trained, run_command, write_config, tmp_path
):
    for model, layer in (
        ("encoder: {filters: [3]}", "stage_1_conv_1: conv 3x3 from 1 to 2 channels there, conv 3x3 from 1 to 3"),
        (
            "encoder: {filters: [2], downsampling: average_pool}",
            "max_pool 2x2 from 2 to 2 channels there, average",
        ),
        ("encoder: {filters: [2, 2]}", "stage_2_conv_1"),
        ("encoder: {filters: [2]}, bottleneck: {kind: dense, units: 4}", "dense from 80 to 4 values here"),
    ):
        config = write_config(f"training: {{start_from: {trained}}}\nmodel: {{{model}}}")
        code, _, err = run_command("train", config, "--runs-dir", tmp_path, "--dry-run")
        assert code == 2
        assert f"{config}: training.start_from: {trained}: has another model" in err
        assert layer in err
    code, _, err = run_command("train", write_config("training: {start_from: none}"), "--runs-dir", tmp_path)
    assert code == 1
    assert f"{tmp_path / 'none'}: is not a run" in err
    assert not (tmp_path / "default" / "run").exists()
