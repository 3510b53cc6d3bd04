"""`training.precision: auto`: decided by 50 steps in both precisions, once, and written down."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from cae.config import ConfigError, check_config
from cae.machine import Machine
from cae.workflows import grid as workflow
from cae.workflows import precision
from cae.workflows.grid import find_grid, train_grid
from cae.workflows.precision import STEPS, Decision, decide, judge, read_decision, take_steps
from cae.workflows.training import TrainingJob

TINY = "experiment: e\nmodel: {encoder: {filters: [4]}, bottleneck: {kind: spatial, channels: 2}}\n"
AUTO = "training: {epochs: 1, batch_size: 64, precision: auto, deterministic: true}\n"
QUIET = SimpleNamespace(tell=lambda line: None)
WITH_BFLOAT16, WITHOUT = "flags\t\t: fpu avx2 avx512_bf16\n", "flags\t\t: fpu avx2\n"


def machine(folder, cpuinfo):
    (folder / "proc").mkdir(exist_ok=True)
    (folder / "proc" / "cpuinfo").write_text(cpuinfo)
    return Machine({}, folder, 2)


def measured(difference=0.0, seconds=(0.3, 0.2), scatter=0.01):
    """Losses that fall, with white noise; those in bfloat16 are higher by a difference."""
    noise = scatter * np.random.default_rng(0).standard_normal(STEPS)
    losses = np.linspace(1.0, 0.5, STEPS) + noise
    return np.stack([losses, losses + difference], axis=1), np.tile(seconds, (STEPS, 1))


@pytest.fixture
def simulate(tmp_path, monkeypatch):
    """Replace the processor and the measuring; gives a list that grows with each measuring."""
    calls = []

    def replaced(found, cpuinfo=WITH_BFLOAT16):
        there = machine(tmp_path, cpuinfo)
        monkeypatch.setattr(precision, "this_machine", lambda: there)
        monkeypatch.setattr(precision, "take_steps", lambda training: calls.append(training) or found)
        return calls

    return replaced


@pytest.mark.parametrize(
    ("found", "chosen", "why"),
    [
        (measured(0.001), "mixed_bfloat16", "1.5 times as fast, and 50 steps' loss within the noise"),
        (measured(-0.001), "mixed_bfloat16", "within the noise"),
        (measured(0.05), "float32", "beyond the noise"),
        (measured(-0.05), "float32", "beyond the noise"),
        (measured(np.nan), "float32", "not finite"),
        (measured(0.001, seconds=(0.2, 0.3)), "float32", "0.67 times as fast"),
        (measured(0.001, seconds=(0.21, 0.2)), "float32", "1.05 times as fast"),
    ],
)
def test_bfloat16_is_taken_where_it_is_faster_and_its_loss_within_the_noise(found, chosen, why):
    decision = judge(*found)
    assert decision.chosen == chosen
    assert why in decision.why


@pytest.mark.parametrize("scatter", [0.001, 0.03])
def test_the_noise_is_two_standard_errors_of_float32_whatever_the_fall_of_the_loss(scatter):
    expected = 2 * scatter / np.sqrt(STEPS / 2)
    for factor, chosen in ((0.6, "mixed_bfloat16"), (1.6, "float32")):
        assert judge(*measured(factor * expected, scatter=scatter)).chosen == chosen


def test_a_processor_without_bfloat16_stays_with_float32_and_measures_nothing(tmp_path):
    for cpuinfo in (WITHOUT, ""):
        found = decide(None, lambda training: pytest.fail("measured"), machine(tmp_path, cpuinfo))
        assert found == Decision("float32", "the processor has no bfloat16 arithmetic, or does not say so")
    for cpuinfo in (WITH_BFLOAT16, "Features\t: fp asimd bf16\n"):  # ARM's word
        assert decide(QUIET, lambda _: measured(), machine(tmp_path, cpuinfo)).chosen == "mixed_bfloat16"


def test_a_model_that_has_no_steps_in_bfloat16_stays_with_float32(tmp_path):
    def fail(training):
        raise TypeError("no kernel for bfloat16\nand a long tale")

    found = decide(QUIET, fail, machine(tmp_path, WITH_BFLOAT16))
    assert found == Decision("float32", "steps in both failed (no kernel for bfloat16)")


def test_the_run_says_what_was_chosen_and_why_and_keeps_it_when_it_goes_on(
    write_config, run_command, tmp_path, simulate
):
    calls = simulate(measured())
    config = write_config(TINY + AUTO)
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    run = Path(out.splitlines()[-1])
    assert "precision: bfloat16: 1.5 times as fast, and 50 steps' loss within the noise (" in err
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["precision"] == "mixed_bfloat16"
    told = json.loads((run / "summary.json").read_text())["precision"]
    assert told["chosen"] == "mixed_bfloat16"
    simulate(measured(seconds=(0.2, 0.3)))  # what would be chosen now
    code, _, err = run_command("train", config, "training.epochs=2", "--resume", "--runs-dir", tmp_path / "runs")
    assert code == 0, err
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["epochs"], summary["precision"]) == (2, told)
    assert len(calls) == 1


def test_the_steps_of_the_check_leave_no_trace_in_the_training(write_config, run_command, tmp_path, monkeypatch):
    losses = []
    there = machine(tmp_path, WITH_BFLOAT16)
    monkeypatch.setattr(precision, "this_machine", lambda: there)
    monkeypatch.setattr(precision, "take_steps", lambda training: losses.append(take_steps(training)) or losses[0])
    monkeypatch.setattr(precision, "judge", lambda *found: Decision("float32", "that is to be compared"))
    rows = []
    for name, change in (("a", "auto"), ("b", "float32")):
        changes = ["--set", f"training.precision={change}", "--set", f"name={name}"]
        code, _, err = run_command("train", write_config(TINY + AUTO), *changes, "--runs-dir", tmp_path / "runs")
        assert code == 0, err
        (metrics,) = (tmp_path / "runs").glob(f"*/{name}/metrics.jsonl")
        rows.append([json.loads(line) for line in metrics.read_text().splitlines()])
    timed = ("seconds", "images_per_second")
    first, second = ([{key: row[key] for key in row if key not in timed} for row in found] for found in rows)
    assert first == second
    ((found, seconds),) = losses
    assert found.shape == seconds.shape == (STEPS, 2)
    assert (seconds > 0).all()
    np.testing.assert_allclose(found[:, 1], found[:, 0], rtol=0.05)  # the same weights and images
    assert (found[:, 0] != found[:, 1]).any()


GRID = "grid: {model.decoder.upsampling.kind: [resize, subpixel], seed: [0, 1]}\n"


def test_a_grid_decides_once_for_all_of_its_runs(write_config, tmp_path, simulate, monkeypatch):
    calls, trained = simulate(measured()), []
    monkeypatch.setattr(workflow, "_decide_elsewhere", workflow.decide_precision)
    monkeypatch.setattr(workflow, "train_combinations", lambda found, *_, **__: (trained.append(found), ([], 0))[1])
    config = check_config(yaml.safe_load(write_config(TINY + AUTO + GRID).read_text()))
    lines = []
    job = TrainingJob(config, tmp_path / "config.yaml", tmp_path / "runs", tell=lines.append)

    def train(one=job):
        train_grid(one, program=print)
        return {combination.config.training.precision for combination in trained.pop()}

    assert train() == {"mixed_bfloat16"}
    assert any(line.startswith("precision: bfloat16: 1.5 times") and "all runs alike" in line for line in lines)
    names = [run.config.name for run in find_grid(job)]
    assert len(names) == 4
    assert all(read_decision(job.experiment, name).chosen == "mixed_bfloat16" for name in names)
    assert read_decision(job.experiment, "another") is None
    simulate(measured(0.5))
    assert train() == {"mixed_bfloat16"}
    assert len(calls) == 1
    assert train(TrainingJob(config, job.source, job.runs_dir, overwrite=True, tell=lines.append)) == {"float32"}
    assert len(calls) == 2
    (job.experiment / precision.NAME).write_text("{}")
    with pytest.raises(workflow.UserError, match=r"precision\.json: is damaged"):
        train()


def test_another_process_decides_what_this_one_would(write_config, tmp_path, simulate, monkeypatch, capsys):
    simulate(measured())
    config = check_config(yaml.safe_load(write_config(TINY + AUTO).read_text()))
    monkeypatch.setattr(sys, "stdin", io.StringIO(config.model_dump_json()))
    monkeypatch.setattr(sys, "argv", ["precision", "config.yaml", str(tmp_path / "runs")])
    precision._main()
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["chosen"] == "mixed_bfloat16"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("part", ["grid", "tune"])
def test_a_grid_cannot_have_it_among_its_values(part, tmp_path):
    values = {"training.precision": ["auto", "float32"]}
    grid = {"grid": values} if part == "grid" else {"grid": {"seed": [0, 1]}, "tune": {"values": values}}
    job = TrainingJob(check_config(grid), tmp_path / "config.yaml", tmp_path)
    with pytest.raises(ConfigError, match=r"training\.precision: auto is decided once for all runs of a grid"):
        find_grid(job)


def test_several_processes_cannot_decide():
    with pytest.raises(ConfigError, match="auto is decided by one process"):
        check_config({"training": {"precision": "auto", "strategy": "multi_worker"}})


def test_a_dry_run_takes_no_steps(write_config, run_command, simulate, tmp_path):
    simulate(None)
    for text in (AUTO, AUTO + GRID):
        code, out, err = run_command("train", write_config(TINY + text), "--dry-run", "--runs-dir", tmp_path / "runs")
        assert code == 0, err
        assert out
