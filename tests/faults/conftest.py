"""Runs that were begun, and a small disk to put them on."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from cae.training.journal import Journal
from tests.faults.runs import wait_for_rows
from tests.sharing import made_once
from tests.warm import WarmProcess


@pytest.fixture(scope="session")
def begun(tmp_path_factory, image_file):
    """A run that was interrupted after a few epochs, in a folder that holds its configuration, too."""
    return made_once(tmp_path_factory, "begun", lambda folder: begin(folder, image_file))


def begin(folder, images):
    config = folder / "config.yaml"
    config.write_text(
        f"data: {{source: arrays, path: {images}}}\n"
        "training: {epochs: 100000, batch_size: 64, deterministic: true}\n"
        "model: {encoder: {filters: [8, 16], dropout: 0.5}}\n"
        "logging: {image_epochs: 100000}\n"
    )
    process = WarmProcess("train.py", config, "--runs-dir", folder / "runs", "--overwrite")
    wait_for_rows(folder / "runs" / "default" / "run", 3, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err


@pytest.fixture
def resumable(begun, tmp_path):
    """A copy of the interrupted run: its directory, and the arguments that go on with it."""
    shutil.copytree(begun / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "default" / "run", [begun / "config.yaml", "--runs-dir", tmp_path / "runs", "--resume"]


@pytest.fixture
def train(run_command, monkeypatch):
    """Train in this process; after the epochs that have a number in `then`, call what it gives. Exit code and stderr.

    Epochs count from where the training begins or goes on.
    """
    epoch_ended = Journal.epoch_ended

    def run(*command, then):
        epochs = 0

        def end_epoch(journal, *arguments):
            nonlocal epochs
            epoch_ended(journal, *arguments)
            epochs += 1
            assert epochs < 300, "nothing ends this training"
            then.get(epochs, int)()

        monkeypatch.setattr(Journal, "epoch_ended", end_epoch)
        code, _, err = run_command("train", *command)
        assert "Traceback" not in err
        return code, err

    return run


@pytest.fixture
def small_disk():
    """Put a folder with what lies in it on a file system of so many kilobytes, and a link in its place."""
    mounted = []

    def mount(folder, kilobytes):
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        # Outside of pytest's folders: what is mounted in them when tests are killed, pytest could never remove.
        disk = tempfile.mkdtemp(prefix="cae-small-disk-")
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", disk]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            os.rmdir(disk)
            pytest.skip("no small disk can be mounted here")
        mounted.append(disk)
        shutil.copytree(folder, disk, dirs_exist_ok=True)
        shutil.rmtree(folder)
        folder.symlink_to(disk)

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "--lazy", disk], check=True)
        os.rmdir(disk)


@pytest.fixture
def enlarge():
    """Make space on a small disk."""

    def remount(folder):
        subprocess.run(["mount", "-o", "remount,size=64m", folder.resolve()], check=True)

    return remount
