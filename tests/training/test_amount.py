"""How much is trained: stated, or left to the program; whole epochs or a number of steps."""

import json
import math
import re

import numpy as np
import pytest

import cae
import cae.config
from cae.config import ConfigError, check_config, load_config
from cae.training.amount import resolve
from tests.conftest import make_images

MODEL = "model: {encoder: {filters: [4]}, bottleneck: {kind: spatial, channels: 2}}\n"


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("num_images", [1, 7, 18, 168, 210, 1000, 1620, 4096, 54_000, 10_000_000])
def test_what_is_left_open_gives_enough_steps_for_few_images_and_the_usual_for_many(num_images):
    section = resolve(cae.RunConfig().training, num_images, bytes_per_image=100_000)
    per_epoch = math.ceil(num_images / section.batch_size)
    assert math.log2(section.batch_size).is_integer()
    assert 8 <= section.batch_size <= 128
    assert per_epoch >= 32 or section.batch_size == 8
    assert 10 <= section.epochs <= 500
    assert section.epochs * per_epoch >= 2000 or section.epochs == 500
    if num_images > 50_000:
        assert (section.batch_size, section.epochs) == (128, 10)


@pytest.mark.parametrize(("megabytes", "largest"), [(1, 128), (100, 16), (600, 2), (5000, 1)])
def test_a_batch_left_open_fits_into_two_gigabytes(megabytes, largest):
    assert resolve(cae.RunConfig().training, 10**6, megabytes * 10**6).batch_size == largest


def test_of_epochs_and_steps_the_one_that_is_stated_last_counts(write_config):
    path = write_config(MODEL + "training: {epochs: 7}\n")
    training = load_config(path, ["training.steps=90"]).training
    assert (training.epochs, training.steps) == ("auto", 90)
    above = write_config("extends: config.yaml\ntraining: {steps: 80}\n", "above.yaml")
    assert load_config(above).training.epochs == "auto"
    training = load_config(above, ["training.epochs=3"]).training
    assert (training.epochs, training.steps) == (3, None)
    grid = check_config({"training": {"epochs": 7}, "grid": {"training.steps": [5, 6]}})
    assert [one.training.steps for one in cae.config.expand_grid(grid)] == [5, 6]
    with pytest.raises(ConfigError, match=r"only one of epochs and steps can count.*epochs: 3 and steps: 4"):
        check_config({"training": {"epochs": 3, "steps": 4}})


def test_resolved_numbers_are_in_the_runs_configuration_which_repeats_it(run_command, write_config, tmp_path):
    path = write_config(MODEL + "training: {steps: 5}\n")
    code, out, _ = run_command("train", path, "--dry-run")
    assert code == 0
    assert "5 steps of 8 images: 1 epoch of 162 training images" in out

    code, out, _ = run_command("train", path, "--runs-dir", tmp_path / "runs")
    assert code == 0
    run = tmp_path / "runs" / "default" / "run"
    training = load_config(run / "config.yaml").training
    assert (training.batch_size, training.steps, training.epochs) == (8, 5, "auto")
    assert json.loads((run / "summary.json").read_text())["steps"] == 5
    first = rows_of(run)
    code, _, _ = run_command("train", run / "config.yaml", "--runs-dir", tmp_path / "runs", "--overwrite")
    assert code == 0
    assert [row["val_loss"] for row in rows_of(run)] == [row["val_loss"] for row in first]


def test_epochs_left_open_are_stated_by_the_dry_run_for_each_combination_of_a_grid(run_command, write_config):
    path = write_config(MODEL + "grid: {training.batch_size: [8, 64], seed: [0, 1]}\n")
    code, out, _ = run_command("train", path, "--dry-run")
    assert code == 0
    head, *rows = [line.split() for line in out.splitlines() if "batch_size" in line or "batch size" in line]
    assert head[-4:] == ["batch", "size", "epochs", "steps"]
    # 162 training images: 21 steps of 8, or 3 of 64.
    assert [row[-3:] for row in rows] == [["8", "96", "2,016"]] * 2 + [["64", "500", "1,500"]] * 2


def test_a_number_of_steps_ends_within_an_epoch_with_a_validation(run_command, write_config, tmp_path):
    text = "training: {steps: 7, batch_size: 64, schedule: {kind: cosine}, optimizer: {name: adam}}\n"
    code, _, err = run_command("train", write_config(MODEL + text), "--runs-dir", tmp_path / "runs")
    assert code == 0
    assert "epoch 3/3" in err
    rows = rows_of(tmp_path / "runs" / "default" / "run")
    assert [(row["epoch"], row["step"]) for row in rows] == [(1, 3), (2, 6), (3, 7)]
    # The rate falls along half a cosine over 7 steps; a row has that of its last step, counted from 0.
    expected = [1e-3 * (1 + math.cos(math.pi * step / 7)) / 2 for step in (2, 5, 6)]
    np.testing.assert_allclose([row["learning_rate"] for row in rows], expected, rtol=1e-5)
    assert all(math.isfinite(row["images_per_second"]) for row in rows)


def test_steps_are_the_same_as_epochs_of_as_many_and_go_on_exactly_where_they_stopped(write_config, tmp_path):
    def train(name, *overrides, **options):
        path = write_config(MODEL + "training: {batch_size: 64, deterministic: false}\n")
        overrides = [f"name={name}", *overrides]
        return cae.train(path, overrides=overrides, runs_dir=tmp_path / "runs", tell=lambda line: None, **options)

    epochs, steps = train("epochs", "training.epochs=2"), train("steps", "training.steps=6")
    figures = [[row["loss"], row["val_loss"], row["step"]] for row in epochs.metrics]
    assert figures == [[row["loss"], row["val_loss"], row["step"]] for row in steps.metrics]
    again = train("steps", "training.steps=6", resume=True)
    assert again.metrics == steps.metrics


def test_epochs_are_counted_to_the_last_one_of_a_run_that_ended_within_one(run_command, write_config, tmp_path):
    config = write_config(MODEL + "training: {batch_size: 64}\n")  # three steps an epoch
    for steps, told in ((4, ["1/2", "2/2"]), (7, ["3/4", "4/4"])):
        code, _, err = run_command(
            "train", config, "--set", f"training.steps={steps}", "--runs-dir", tmp_path / "runs", "--resume"
        )
        assert code == 0
        assert re.findall(r"^epoch (\S+):", err, re.MULTILINE) == told


def test_a_run_that_left_its_batch_open_goes_on_with_what_it_was_begun_with(write_config, tmp_path):
    def train(**options):
        path = write_config(MODEL + "training: {epochs: 1}\n")
        return cae.train(path, runs_dir=tmp_path / "runs", tell=lambda line: None, **options)

    run = train().path
    text = (run / "config.yaml").read_text()
    assert "batch_size: 8\n" in text
    (run / "config.yaml").write_text(text.replace("batch_size: 8\n", "batch_size: 64\n"))
    assert train(resume=True).status == "finished"


def test_a_warm_up_longer_than_what_is_trained_is_refused(run_command, write_config):
    text = MODEL + "training: {steps: 5, batch_size: 64, schedule: {kind: cosine, warmup_epochs: 2}}\n"
    code, _, err = run_command("train", write_config(text), "--dry-run")
    assert code == 2
    assert "warmup_epochs: must be at most the 1.66667 epochs" in err
    assert "config.yaml" in err


@pytest.mark.parametrize("number", [20, 210])
def test_describe_and_doctor_see_the_batch_that_training_takes(run_command, write_config, tmp_path, number):
    np.save(tmp_path / "few.npy", make_images(number, 16, 16))
    path = tmp_path / "few.yaml"
    path.write_text(f"data: {{source: arrays, path: few.npy}}\n{MODEL}")
    code, out, _ = run_command("describe", path)
    assert code == 0
    assert "at batch size 8 in" in out
    assert "of 8 images" in run_command("train", path, "--dry-run")[1]
