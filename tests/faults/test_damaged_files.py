"""Files of a run that were damaged between two sessions: the run goes on from what is whole, and says so."""

import itertools
import json
import re
import time

import pytest

from cae.training.checkpoints import CheckpointFolder
from tests.faults.runs import assert_curves_are_whole, metrics, scalars, stop


def cut(path):
    path.write_bytes(path.read_bytes()[:-37])


def flip(path):
    content = bytearray(path.read_bytes())
    content[2 * len(content) // 3] ^= 8
    path.write_bytes(content)


def remove(path):
    path.unlink()


@pytest.fixture
def go_on(train):
    """Resume, let some epochs pass, stop; gives what was said."""

    def resume(run, command):
        code, err = train(*command, then={3: stop})
        assert code == 143, err
        steps = [row["step"] for row in metrics(run)]
        assert steps == [3 * epoch for epoch in range(1, len(steps) + 1)]
        return err

    return resume


@pytest.mark.parametrize(("damage", "suffix"), [(cut, ".npz"), (flip, ".json"), (remove, ".npz")])
def test_of_a_damaged_checkpoint_the_one_before_is_used_and_it_is_said(resumable, go_on, damage, suffix):
    run, command = resumable
    newest, previous = CheckpointFolder(run / "checkpoints").steps()
    damage(run / "checkpoints" / f"step-{newest:010d}{suffix}")
    err = go_on(run, command)
    assert re.search(rf"step-{newest:010d}\.npz: this checkpoint is damaged \(.+\) and passed over", err)
    assert f"Going on from step {previous:,}" in err
    assert_curves_are_whole(run, [row["step"] for row in metrics(run)])


@pytest.mark.parametrize("damage", [cut, flip])
def test_event_files_that_were_cut_in_the_middle_are_read_up_to_there_and_the_run_goes_on(resumable, go_on, damage):
    run, command = resumable
    last = metrics(run)[-1]["step"]
    (file,) = run.glob("events*")
    damage(file)
    err = go_on(run, command)
    assert "Going on from step" in err
    points = scalars(run)
    steps = [step for tag, step in points if tag == "4_errors/mse"]
    assert len(points) == len(set(points))
    assert steps == sorted(steps)
    assert steps[-1] > last


def test_event_files_of_a_clock_that_was_put_back_since_come_first_all_the_same(resumable, go_on):
    run, command = resumable
    (file,) = run.glob("events*")
    rest = file.name.split(".")[4:]
    file.rename(file.with_name(".".join(["events.out.tfevents", str(int(time.time()) + 86_400), *rest])))
    go_on(run, command)
    assert_curves_are_whole(run, [row["step"] for row in metrics(run)])


def test_a_clock_that_runs_backwards_gives_no_negative_time(write_config, run_command, tmp_path, monkeypatch):
    # Every look at the time of day finds it an hour earlier than the last.
    now = itertools.count(time.time(), -3600)
    for clock in ("time.time", "tqdm.std.time"):
        monkeypatch.setattr(clock, lambda: next(now))
    monkeypatch.setattr("time.time_ns", lambda: int(next(now) * 1e9))
    config = write_config("training: {epochs: 3, batch_size: 64}\nmodel: {encoder: {filters: [2]}}")
    code, _, err = run_command("train", config, "--runs-dir", tmp_path)
    monkeypatch.undo()
    assert code == 0, err
    run = tmp_path / "default" / "run"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 3
    assert all(0 < row["seconds"] < 60 and row["images_per_second"] > 0 for row in rows)
    found = json.loads((run / "summary.json").read_text())
    assert 0 < found["training_seconds"] < found["wall_seconds"] < 120
    assert " -" not in "".join(line for line in err.splitlines() if line.startswith("epoch"))
