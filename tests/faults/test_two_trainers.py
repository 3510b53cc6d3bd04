"""Two processes that want to train the same run: the second is refused, whatever it was told."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from cae.runs.lock import BusyError, RunLock
from tests.conftest import ROOT, start_process
from tests.faults.runs import count_rows, stop, summary, wait_for_rows, wait_until
from tests.warm import WarmProcess

GRID = """
experiment: e
name: g
model: {encoder: {filters: [2]}}
training: {epochs: 1, batch_size: 64}
grid: {seed: [0, 1]}
"""
# At this rate no epoch is better than the first, so that the best weights stay what they are.
STILL = "training={epochs: 100000, batch_size: 64, optimizer: {name: sgd, learning_rate: 1.0e-30}}"
LONG = ["--set", "grid={}", "--set", "name=g-seed=0", "--set", STILL]
# `train.py` that rests after each epoch, so that the others get the machine.
RESTING = """
import sys, time
from cae.engine import start_engine
start_engine()
from cae.training.journal import Journal
ended = Journal.epoch_ended
def rest(journal, *arguments):
    ended(journal, *arguments)
    time.sleep(0.3)
Journal.epoch_ended = rest
from cae.commands.main import main
sys.exit(main(["train", *sys.argv[2:]]))
"""


@pytest.fixture
def trained_elsewhere(write_config, tmp_path):
    """The first run of a grid, which another process trains: that process, the run and the grid's command."""
    command = ["train.py", write_config(GRID), "--runs-dir", tmp_path / "runs"]
    process = WarmProcess("-c", RESTING, *command, *LONG)
    run = tmp_path / "runs" / "e" / "g-seed=0"
    wait_for_rows(run, 1, process)
    yield process, run, command
    process.kill()
    process.communicate()


def test_the_second_trainer_is_refused_until_the_first_ends_or_is_killed(trained_elsewhere, run_command, train):
    process, run, command = trained_elsewhere
    begun = (run / "config.yaml").stat().st_ino
    for mode in ([], ["--resume"], ["--overwrite"]):
        code, out, err = run_command("train", *command[1:], *LONG, *mode)
        assert (code, out) == (1, ""), err
        assert f"{run}: is being trained by process {process.pid} on '{socket.gethostname()}' since 2" in err
        assert "Traceback" not in err
    assert process.poll() is None
    assert (run / "config.yaml").stat().st_ino == begun

    # Who only reads is not in the way, and nothing is in theirs.
    code, _, err = run_command("evaluate", run)
    assert code == 0, err
    rows = count_rows(run)
    wait_for_rows(run, rows + 1, process)
    assert process.poll() is None

    # A grid leaves the run alone, trains the others, and tells so.
    grid = WarmProcess(*command, warm_children=True)
    out, err = grid.communicate(timeout=120)
    assert grid.returncode == 1, err
    assert out.splitlines() == [str(run.with_name("g-seed=1"))]
    assert summary(run.with_name("g-seed=1"))["status"] == "finished"
    assert f"1 of 2 runs are left to the processes that train them:\n  {run}: is being trained by" in err
    assert "failed" not in err

    process.kill()
    process.communicate()
    assert list(run.parent.glob(".lock-*")), "the kill left nothing to get over"
    code, err = train(*command[1:], *LONG, "--resume", then={1: stop})
    assert code == 143, err
    assert "Going on from step" in err
    assert not list(run.parent.glob(".lock-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="asks ps for children in its Linux form")
def test_a_run_of_a_grid_that_the_system_kills_is_told_as_such_and_the_others_are_trained(write_config, tmp_path):
    process = WarmProcess("train.py", write_config(GRID), "--runs-dir", tmp_path / "runs", warm_children=True)
    wait_until(lambda: children_of(process.pid), process)
    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    runs = tmp_path / "runs" / "e"
    assert f"1 of 2 runs failed:\n  {runs / 'g-seed=0'}: killed by signal 9 (out of memory?)" in err
    assert out.splitlines() == [str(runs / "g-seed=1")]


def children_of(process_id):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False)
    return [int(word) for word in found.stdout.split()]


# Takes the lock again and again; whoever holds it makes a file that must not be there, and removes it.
CONTENDER = """
import os, sys, time
from pathlib import Path
from cae.runs.lock import BusyError, RunLock
run, times = Path(sys.argv[1]), 0
while times < 40:
    try:
        with RunLock(run).held(print):
            os.close(os.open(run.with_name("held"), os.O_CREAT | os.O_EXCL))
            time.sleep(0.001)
            os.unlink(run.with_name("held"))
            times += 1
    except BusyError:
        pass
print(times)
"""


def test_of_many_processes_only_one_at_a_time_holds_the_lock(tmp_path):
    run = tmp_path / "e" / "run"
    processes = [start_process("-c", CONTENDER, run) for _ in range(4)]
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, "40"), err
    assert list((tmp_path / "e").iterdir()) == []


def test_the_lock_holds_against_all_but_its_own_run_and_goes_with_its_block(tmp_path):
    lock = RunLock(tmp_path / "e" / "run")
    assert lock.holder() is None
    with lock.held(pytest.fail):
        assert re.fullmatch(rf"process {os.getpid()} on '.+' since [-0-9]+ [:0-9]+", lock.holder())
        with pytest.raises(BusyError, match=str(tmp_path)):
            lock.check_is_free()
        with pytest.raises(BusyError), RunLock(tmp_path / "e" / "run").held(pytest.fail):
            pytest.fail("two hold it")
        with RunLock(tmp_path / "e" / "other").held(pytest.fail):
            pass
    assert lock.holder() is None
    lock.check_is_free()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"process": "x", "host": 1, "since": 2}', "\0" * 50])
def test_a_holder_whose_file_is_damaged_holds_it_all_the_same(tmp_path, text):
    lock = RunLock(tmp_path / "run")
    with lock.held(pytest.fail):
        (tmp_path / ".lock-run").write_text(text)
        assert lock.holder() == "another process"


def test_where_files_cannot_be_locked_training_says_so_and_goes_on(tmp_path, monkeypatch):
    import errno
    import fcntl

    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    told = []
    with RunLock(tmp_path / "run").held(told.append):
        pass
    assert len(told) == 1
    assert "cannot be locked" in told[0]


def test_the_contender_runs_without_tensorflow():
    # Refusing the second trainer must not take the seconds of an engine's start.
    program = "import sys, cae.runs.lock, cae.commands.train; print('tensorflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
