"""A disk that fills up: the message names the file and the reason, and the last checkpoint can be taken up."""

import signal

import pytest

from cae.training.checkpoints import CheckpointFolder
from tests.faults.runs import assert_curves_are_whole, metrics, stop, summary
from tests.warm import run_warm


def kilobytes(folder):
    blocks = sum(-(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file())
    return 4 * blocks


def assert_ended_well(code, err, named):
    """Of a full disk: exit code 1, one message that names file and reason, no traceback."""
    assert code == 1, err
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in message
    assert str(named) in message
    return message


def assert_goes_on(train, run, command):
    """The newest checkpoint is whole, and the run goes on from it until it is stopped."""
    newest = CheckpointFolder(run / "checkpoints").load_newest(pytest.fail).step
    code, err = train(*command, then={2: stop})
    assert code == 143, err
    assert f"Going on from step {newest:,}" in err
    steps = [row["step"] for row in metrics(run)]
    assert steps == [3 * epoch for epoch in range(1, len(steps) + 1)]
    assert_curves_are_whole(run, steps)
    assert not list(run.rglob(".writing-*"))


def test_a_full_disk_while_a_checkpoint_is_written(resumable, small_disk, enlarge, train):
    run, command = resumable
    # Room for the two that are kept, and for half of a third.
    folder = run / "checkpoints"
    small_disk(folder, kilobytes(folder) * 5 // 4)
    before = CheckpointFolder(folder).steps()
    message = assert_ended_well(*train(*command, then={}), folder / "step-")
    assert ".npz" in message
    assert CheckpointFolder(folder).steps() == before
    assert summary(run)["status"] == "failed"
    assert "No space left" in summary(run)["error"]
    enlarge(folder)
    assert_goes_on(train, run, command)


def test_a_full_disk_while_events_are_written(resumable, small_disk, enlarge, train):
    run, command = resumable
    (events,) = run.glob("events*")
    # When the run is taken up, events are copied once.
    small_disk(run, kilobytes(run) + events.stat().st_size // 2048)
    code, _, err = run_warm("train.py", *command)
    assert "events cannot be written" in assert_ended_well(code, err, run)
    enlarge(run)
    assert_goes_on(train, run, command)


def test_a_full_disk_while_metrics_are_written(resumable, small_disk, enlarge, train):
    run, command = resumable
    small_disk(run, kilobytes(run) + 1000)
    code, _, err = run_warm("-m", "tests.faults.filling", run / "metrics.jsonl", "train", *command)
    assert_ended_well(code, err, run / "metrics.jsonl")
    assert not (run / "summary.json").exists(), "there was room for it"
    (run / "filler").unlink()
    assert_goes_on(train, run, command)


# `python -m cae` in a process that may write files of so many bytes.
LIMITED = """
import resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from cae.commands.main import main
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")
def test_a_limit_on_the_size_of_files_ends_a_run_with_a_message_and_a_failed_summary(write_config, tmp_path):
    limit = 40_000
    config = write_config("training: {epochs: 3}\nmodel: {encoder: {filters: [32, 64]}}")
    code, _, err = run_warm("-c", LIMITED, limit, "train", config, "--runs-dir", tmp_path)
    assert code == 1, err
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("error: ")
    assert "File too large" in err.splitlines()[-1]
    assert str(tmp_path / "default" / "run") in err.splitlines()[-1]
    assert summary(tmp_path / "default" / "run")["status"] == "failed"


def test_a_run_that_cannot_even_begin_says_so(begun, small_disk, run_command, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    small_disk(folder, 4)
    code, _, err = run_command("train", begun / "config.yaml", "--runs-dir", folder)
    assert code == 1
    assert "Traceback" not in err
    assert "No space left on device" in err
    assert str(folder) in err
