"""`train.py` as a user runs it: every combination, every shipped configuration, the files of a run."""

import itertools
import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cae.commands.main import main
from cae.config import load_config
from cae.workflows.precision import STEPS
from tests.conftest import ROOT, make_images

KINDS = ["resize", "max_unpool", "fixed_unpool", "conv_transpose", "subpixel", "bilinear_additive"]
DOWNSAMPLING = ["max_pool", "average_pool", "strided_conv"]
BOTTLENECKS = ["none", "{kind: spatial, channels: 2}", "{kind: dense, units: 6}"]
SMALL = "training: {epochs: 1, batch_size: 64}\n"


def model(upsampling, downsampling="max_pool", bottleneck="none", filters="[4, 8]", **encoder):
    options = "".join(f", {key}: {value}" for key, value in encoder.items())
    return (
        f"model: {{encoder: {{filters: {filters}, downsampling: {downsampling}{options}}}, bottleneck: {bottleneck},"
        f" decoder: {{upsampling: {upsampling}}}}}\n"
    )


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def train(run_command, tmp_path):
    """Train a configuration into tmp_path/runs; gives the run directory."""

    def run(config, *arguments):
        code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs", *arguments)
        assert code == 0, err
        run = out.splitlines()[-1]
        assert run.startswith(str(tmp_path / "runs"))
        return tmp_path / "runs" / run.removeprefix(str(tmp_path / "runs")).lstrip("/")

    return run


TWICE = "training: {epochs: 2, batch_size: 128}\n" + model("max_unpool")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, image_file):
    """A run of two epochs; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.yaml").write_text(f"data: {{source: arrays, path: {image_file}}}\n{TWICE}")
    assert main(["train", str(folder / "config.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    return folder / "runs" / "default" / "run"


@pytest.fixture
def copied(finished, tmp_path):
    """The same in tmp_path/runs, where it may be changed."""
    return shutil.copytree(finished, tmp_path / "runs" / "default" / "run")


# Each way down and each bottleneck once: tests/model/test_build.py has all of them behind each other.
OFTEN = [*zip(DOWNSAMPLING, BOTTLENECKS, strict=True)]
SELDOM = [pair for pair in itertools.product(DOWNSAMPLING, BOTTLENECKS) if pair not in OFTEN]
# With each way down some of the interpolations, one corruption, and other terms of the objective.
INTERPOLATIONS = {"max_pool": ["bilinear"], "average_pool": ["bicubic", "lanczos3"], "strided_conv": ["lanczos5"]}
OBJECTIVES = {
    "max_pool": "reconstruction: {mae: 1.0, ssim: 0.5}, corruption: {kind: gaussian, stddev: 0.2}",
    "average_pool": "reconstruction: {bce: 1.0}, corruption: {kind: salt_and_pepper, fraction: 0.2}",
    "strided_conv": ("reconstruction: {huber: 1.0}, corruption: {kind: masked_patches, patch_size: 3, fraction: 0.3}"),
}


@pytest.mark.parametrize(
    ("downsampling", "bottleneck"), [*OFTEN, *(pytest.param(*pair, marks=pytest.mark.slow) for pair in SELDOM)]
)
def test_every_allowed_combination_trains_real_steps_at_an_odd_size_with_every_small_objective(
    train, write_config, tmp_path, downsampling, bottleneck
):
    # Each kind has a stage of its own, so that one training has them all.
    allowed = [kind for kind in KINDS if kind != "max_unpool" or downsampling == "max_pool"]
    allowed += [f"{{kind: resize, interpolation: {name}}}" for name in INTERPOLATIONS[downsampling]]
    np.save(tmp_path / "larger.npy", make_images(48, 67, 65))
    text = f"objective: {{{OBJECTIVES[downsampling]}, latent_l1: 0.01}}\n"
    text += "training: {epochs: 2, batch_size: 16, optimizer: {learning_rate: 0.01}}\n"
    text += model(f"[{', '.join(allowed)}]", downsampling, bottleneck, [4, *[8] * 6][: len(allowed)])
    run = train(write_config(text), "--set", f"data.path={tmp_path / 'larger.npy'}")
    rows = rows_of(run)
    assert [row["step"] for row in rows] == [3, 6]  # 39 of 48 images in batches of 16
    assert all(math.isfinite(value) for row in rows for value in row.values())
    assert rows[1]["val_loss"] < rows[0]["val_loss"]


FOLDERS = ("configs", "docs/study", "docs/zoo", "benchmarks")
TRAINED = []  # models and their objectives, which some configurations share but for their widths
CONFIGS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.yaml"))]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_configuration_trains_a_real_epoch_on_few_images(
    train, run_command, config, tmp_path, monkeypatch
):
    head = config.read_text().split("\n\n")[0]
    for word in ("Purpose:", "Command:", "Time:", "Result:"):
        assert word in head, f"{config.name} does not open with its {word}"
    # Else `precision: auto` would take a hundred steps first, as it does in tests/training/test_precision.py.
    fast, alike = np.tile((2.0, 1.0), (STEPS, 1)), np.ones((STEPS, 2))
    monkeypatch.setattr("cae.workflows.precision.take_steps", lambda training: (alike, fast))
    side = 32 if "ms_ssim" not in config.read_text() else 176
    np.save(tmp_path / "few.npy", make_images(20, side, side))
    overrides = [
        f"data={{source: arrays, path: {tmp_path / 'few.npy'}}}",
        "training.epochs=1",
        "training.batch_size=16",
        "grid={}",
        "match=none",
    ]
    resolved = load_config(config, overrides)
    model = re.sub(r"\d+", "", f"{resolved.model!r}, {resolved.objective!r}")
    words = [config, *itertools.chain.from_iterable(("--set", override) for override in overrides)]
    if model in TRAINED:
        code, _, err = run_command("train", *words, "--dry-run")
        assert code == 0, err
    else:
        assert len(rows_of(train(*words))) == 1
        TRAINED.append(model)


def test_a_run_directory_holds_what_the_next_steps_need(finished):
    run = finished
    row = rows_of(run)[-1]
    wanted = ["epoch", "step", "loss", "val_loss", "val_mse", "val_mae", "val_psnr", "val_ssim"]
    assert {*wanted, "learning_rate", "images_per_second", "seconds"} <= row.keys()
    assert row["epoch"] == 2
    assert row["learning_rate"] == 1e-3
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["last"] == row
    assert summary["best"]["val_loss"] == min(row["val_loss"] for row in rows_of(run))
    assert summary["code"]["values"] == 4 * 3 * 8
    assert summary["code"]["switch_bits"] == 2 * (8 * 5 * 4 + 4 * 3 * 8)
    assert summary["images"] == {"train": 162, "validation": 18, "test": 20, "skipped": {}}
    assert f"python evaluate.py {run}" in (run / "index.html").read_text()
    environment = json.loads((run / "environment.json").read_text())
    assert {"tensorflow", "keras"} <= environment["packages"].keys()
    threads = int(os.environ.get("TF_NUM_INTRAOP_THREADS", environment["cores"]))
    assert (environment["jobs"], environment["threads"]) == (1, threads)
    with Image.open(run / "reconstructions.png") as picture:
        assert picture.size[0] > 100
    assert sorted(path.name for path in (run / "checkpoints").iterdir())[-1].startswith("step-0000000004")


def test_psnr_is_the_mean_of_each_images_own(finished):
    # Jensen: the mean of -10 log10(mse) is at least -10 log10 of the mean mse; equal only if all images are alike.
    row = rows_of(finished)[0]
    assert row["val_psnr"] > -10 * math.log10(row["val_mse"])
    assert row["val_loss"] == pytest.approx(row["val_mse"], rel=1e-6)


def test_dry_run_prints_the_plan_and_writes_nothing(run_command, write_config, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    config = write_config(model("resize"))
    code, out, _ = run_command("train", config, "--runs-dir", tmp_path / "runs", "--dry-run")
    assert code == 0
    assert "resize nearest x2" in out
    assert sorted(tmp_path.rglob("*")) == sorted([*before, config])


def test_a_finished_run_is_resumed_or_overwritten_and_else_a_new_one_gets_another_name(
    run_command, train, copied, write_config, tmp_path
):
    run, config, first = copied, write_config(TWICE), rows_of(copied)
    written = (run / "metrics.jsonl").stat().st_mtime_ns
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert (code, out.splitlines()[-1]) == (0, f"{run}-2")
    assert f"{run}: this run exists already (finished)" in err
    assert all(option in err for option in ("--resume", "--overwrite"))
    assert yaml.safe_load((run.with_name(f"{run.name}-2") / "config.yaml").read_text())["name"] == f"{run.name}-2"
    assert (run / "metrics.jsonl").stat().st_mtime_ns == written
    (run / "index.html").unlink()  # a kill between the summary and the page
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs", "--resume")
    assert (code, out.splitlines()[-1]) == (0, str(run))
    assert "nothing to resume" in err
    assert (run / "index.html").exists()
    assert (run / "metrics.jsonl").stat().st_mtime_ns == written
    # The resolved configuration, which the run holds, repeats it.
    assert train(run / "config.yaml", "--overwrite") == run
    assert (run / "metrics.jsonl").stat().st_mtime_ns != written
    for key in ("loss", "val_loss", "val_psnr"):
        assert [row[key] for row in rows_of(run)] == [row[key] for row in first]


def test_resume_refuses_another_configuration_and_names_the_difference(run_command, copied, write_config, tmp_path):
    code, _, err = run_command(
        "train", write_config(TWICE), "--runs-dir", tmp_path / "runs", "--resume", "--set", "training.batch_size=8"
    )
    assert code == 2
    assert "training.batch_size: was 128, is 8" in err


def test_a_loss_that_is_no_longer_finite_stops_with_the_step_and_keeps_the_checkpoint(
    run_command, write_config, tmp_path
):
    config = write_config(
        "training: {epochs: 60, batch_size: 64, optimizer: {name: sgd, learning_rate: 1.0e+6, momentum: 0.9}}\n"
        "model: {encoder: {filters: [4], activation: linear}, decoder: {output_activation: linear}}\n"
    )
    code, _, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 1
    assert "no longer finite at step" in err
    assert "Traceback" not in err
    summary = json.loads((tmp_path / "runs/default/run/summary.json").read_text())
    assert summary["status"] == "failed"
    assert "no longer finite" in summary["error"]


def test_the_same_probes_are_shown_whatever_the_seed(train, write_config):
    from cae.data.load import load_splits

    shown = []
    for seed in (1, 2):
        config = load_config(write_config(f"seed: {seed}\n" + SMALL))
        shown.append(load_splits(config.data).validation.read(np.arange(16)))
    np.testing.assert_array_equal(*shown)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_reduced_precision_trains(train, write_config, precision):
    text = f"training: {{epochs: 2, batch_size: 16, precision: {precision}}}\nlogging: {{tensorboard: false}}\n"
    losses = [row["val_loss"] for row in rows_of(train(write_config(text + model("max_unpool", filters="[4]"))))]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


def test_the_step_compiles_under_xla_and_computes_the_same(train, write_config):
    # Layers of every kind compile alone in tests/model/test_lowered.py; here, what is around them.
    losses = []
    for name, xla in (("plain", "false"), ("compiled", "true")):
        text = f"name: {name}\ntraining: {{epochs: 2, xla: {xla}}}\nlogging: {{tensorboard: false}}\n"
        run = train(write_config(text + model("max_unpool", filters="[4]")))
        losses.append([row["val_loss"] for row in rows_of(run)])
    np.testing.assert_allclose(*losses, rtol=1e-3)


def test_the_run_configuration_is_plain_yaml_with_absolute_paths(finished, image_file):
    stored = yaml.safe_load((finished / "config.yaml").read_text())
    assert stored["data"]["path"] == str(image_file)
    assert stored["training"]["epochs"] == 2


def pasted(err, tmp_path):
    """What a shell makes of the commands that a message proposes: the words of each."""
    lines = err[err.index("Next: ") :].splitlines()
    commands = [
        lines[0].removeprefix("Next: "),
        *itertools.takewhile(lambda line: line.startswith("      "), lines[1:]),
    ]
    shims = tmp_path / "shims"
    shims.mkdir(exist_ok=True)
    for name in ("python", "tensorboard"):
        (shims / name).write_text("#!/bin/sh\nprintf '%s\\0' \"$@\"\necho\n")
        (shims / name).chmod(0o755)
    found = subprocess.run(
        ["sh", "-ec", "\n".join(commands)],
        env={"PATH": f"{shims}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stderr == ""
    return [line.split("\0")[:-1] for line in found.stdout.split("\n")[:-1]]


@pytest.mark.parametrize("folder", ['-my $(runs); it\'s "new" & *', "-n"])
def test_what_is_said_to_be_next_can_be_pasted_into_a_shell(run_command, write_config, tmp_path, monkeypatch, folder):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    config = write_config("training: {epochs: 1}\nmodel: {encoder: {filters: [2]}}")
    code, _, err = run_command("train", config, f"--runs-dir={folder}")
    assert code == 0, err
    evaluate, board = pasted(err, tmp_path)
    assert evaluate[:3] == ["-m", "cae", "evaluate"]
    assert (board[0], Path(board[1])) == ("--logdir", Path(folder))
    code, _, err = run_command(*evaluate[2:])
    assert code == 0, err
    run = f"./{folder}/default/run"
    code, _, err = run_command("encode", run, "--split", "test", f"--out={folder}/codes.npz")
    assert code == 0, err
    (decode,) = pasted(err, tmp_path)
    code, _, err = run_command(*decode[2:])
    assert code == 0, err
    assert list(Path(folder, "codes-decoded").iterdir())
