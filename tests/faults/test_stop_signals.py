"""A stop signal in every phase of a training ends it with its exit code, soon, and with nothing half done."""

import contextlib
import fcntl
import functools
import importlib
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import pytest
from PIL import Image

from cae.errors import UserError
from cae.grid import runner
from cae.messages import messages_stream
from cae.stop_handler import stop_signals
from cae.training.checkpoints import CheckpointFolder
from tests.conftest import ROOT, make_images, start_process
from tests.faults.runs import count_rows, summary

SECONDS = 60  # on a machine that does other things, too; the start of TensorFlow alone takes some

PHASES = {
    "reading the configuration": ("cae.commands.train:load_config", 1),
    "scanning the images": ("cae.data.formats.image_headers:_look", 3),
    "building the model": ("cae.training.train:build_autoencoder", 1),
    "compiling": ("cae.training.step:Steps._train_on_batch", 1),
    "validation": ("cae.training.loop:Loop._validate", 2),
    "writing a checkpoint": ("cae.training.checkpoints:write_json", 2),
}


BEFORE_TRAINING = ("reading the configuration", "scanning the images")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    (folder / "images").mkdir()
    for number, pixels in enumerate(make_images(40, 12, 10)[..., 0]):
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    (folder / "config.yaml").write_text(
        f"data: {{source: image_folder, path: {folder / 'images'}, channels: 1}}\n"
        "model: {encoder: {filters: [2]}}\ntraining: {epochs: 1000, batch_size: 16}\n"
    )
    return folder / "config.yaml"


def raise_at(monkeypatch, place, times, number):
    """Let a signal come when the program comes to a function for so many times."""
    module, names = place.split(":")
    *owners, name = names.split(".")
    owner = functools.reduce(getattr, owners, importlib.import_module(module))
    function, calls = getattr(owner, name), itertools.count(1)

    def stopped(*arguments, **options):
        if next(calls) == times:
            os.kill(os.getpid(), number)
        return function(*arguments, **options)

    monkeypatch.setattr(owner, name, stopped)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="needs the signals of a POSIX system")
@pytest.mark.parametrize("phase", PHASES)
def test_a_stop_signal_ends_every_phase_soon_with_its_exit_code(config, run_command, tmp_path, monkeypatch, phase):
    number = (signal.SIGTERM, signal.SIGINT)[list(PHASES).index(phase) % 2]
    raise_at(monkeypatch, *PHASES[phase], number)
    code, out, err = run_command("train", config, "--runs-dir", tmp_path / "runs")
    assert code == 128 + number, err
    assert "Traceback" not in err
    run = tmp_path / "runs" / "default" / "run"
    if phase in BEFORE_TRAINING:
        assert out == ""
        assert not (tmp_path / "runs").exists()
    else:
        assert out.splitlines() == [str(run)]
        assert "--resume" in err
        assert json.loads((run / "summary.json").read_text())["status"] == "interrupted"
        assert CheckpointFolder(run / "checkpoints").load_newest(pytest.fail) is not None
        assert not list(run.rglob(".writing-*"))
        assert not list(run.parent.glob(".lock-*"))


@pytest.mark.parametrize("answer", [ImportError, lambda said: UserError("a package is missing")])
@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_stop_signal_is_one_where_a_library_makes_an_error_of_it(
    run_command, monkeypatch, config, number, word, answer
):
    def started():
        try:
            os.kill(os.getpid(), number)
            time.sleep(1)
        except BaseException as stop:  # as pybind11 does while a module is imported
            raise answer("initialization failed") from stop

    monkeypatch.setattr("cae.workflows.training.start_engine", started)
    code, _, err = run_command("train", config, "--dry-run")
    assert code == 128 + number
    assert err.splitlines()[-1] == word


def test_a_program_that_ended_itself_before_an_error_hides_none(run_command, monkeypatch, config):
    def started():
        try:
            sys.exit(0)
        except SystemExit:
            raise ValueError("this is what went wrong") from None

    monkeypatch.setattr("cae.workflows.training.start_engine", started)
    code, _, err = run_command("train", config, "--dry-run")
    assert code == 1
    assert "this is what went wrong" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_while_tensorflow_starts_ends_at_once(config, tmp_path, number):
    process = start_process("train.py", config, "--runs-dir", tmp_path / "runs")
    time.sleep(2.0)
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert time.monotonic() - sent < 20


def test_a_terminal_that_is_closed_ends_a_training_with_a_checkpoint(config, tmp_path):
    ours, terminal = pty.openpty()

    def log_in():
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests themselves may run under nohup
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    command = [sys.executable, "train.py", str(config), "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=terminal, stdout=terminal, stderr=terminal, preexec_fn=log_in, text=True
    )
    os.close(terminal)
    os.set_blocking(ours, False)
    run, deadline = tmp_path / "default" / "run", time.monotonic() + SECONDS
    while count_rows(run) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        with contextlib.suppress(BlockingIOError):
            os.read(ours, 4096)  # or the program would wait for its reader
        time.sleep(0.01)
    os.close(ours)
    assert process.wait(timeout=SECONDS) == 143
    assert summary(run)["status"] == "interrupted"
    assert CheckpointFolder(run / "checkpoints").steps()


def test_messages_that_nobody_reads_any_more_are_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream:
        messages = messages_stream(stream)
        for _ in range(3):
            print("epoch 1", file=messages, flush=True)


def test_a_hangup_that_is_ignored_from_the_start_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests themselves may run under nohup
    try:
        assert signal.SIGHUP in stop_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert signal.SIGHUP not in stop_signals()
        with runner.Children():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


# A child of a grid that trains nothing; the second form is that of a system on which no signal can be blocked.
CHILD = """
import signal, sys, time
if sys.argv[1] == "windows":
    del signal.sigpending
from cae.grid import worker as child
def train(arguments):
    print("trains", file=sys.stderr, flush=True)
    while True:
        time.sleep(0.01)
parent, *words = sys.argv[2:]
sys.exit(child.train_as_child([parent, "__main__:train", *words]))
"""


@pytest.mark.parametrize("system", ["posix", "windows"])
@pytest.mark.parametrize(("said", "code"), [(b"\x02", 130), (b"\x0f", 143), (b"", 143)])
def test_a_run_of_a_grid_stops_when_the_grid_says_so_and_when_it_is_gone(system, said, code):
    command = [sys.executable, "-c", CHILD, system, str(os.getpid())]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, **pipes) as process:
        assert process.stderr.readline() == b"trains\n"
        process.stdin.write(said)
        process.stdin.flush()
        if not said:
            process.stdin.close()
        assert process.wait(timeout=SECONDS) == code


def test_a_grid_passes_stops_on_without_signals(monkeypatch):
    started = []
    monkeypatch.setattr(runner.subprocess, "Popen", lambda *_, **options: started.append(options) or fake)
    reading, writing = os.pipe()
    ends = [os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)]
    grid = runner.Children()
    fake = SimpleNamespace(
        stdin=ends[1], stdout=None, wait=lambda: grid.on_stop(signal.SIGHUP, None) or ends[0].read(9)[0]
    )
    assert grid.train([]) == signal.SIGTERM
    assert grid.stop_signal == signal.SIGTERM
    assert started[0]["stdin"] == subprocess.PIPE
    assert ends[1].closed
    ends[0].close()
