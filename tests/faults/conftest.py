"""Runs that were begun, and a small disk to put them on."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.conftest import start_process
from tests.faults.runs import wait_for_rows


@pytest.fixture(scope="module")
def begun(tmp_path_factory, image_file):
    """A run that was interrupted after a few epochs, and the rest of the command that resumes a copy of it."""
    folder = tmp_path_factory.mktemp("begun")
    config = folder / "config.yaml"
    config.write_text(
        f"data: {{source: arrays, path: {image_file}}}\n"
        "training: {epochs: 100000, batch_size: 64, deterministic: true}\n"
        "model: {encoder: {filters: [8, 16], dropout: 0.5}}\n"
        "logging: {image_epochs: 100000}\n"
    )
    process = start_process("train.py", config, "--runs-dir", folder / "runs")
    wait_for_rows(folder / "runs" / "default" / "run", 3, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    return folder


@pytest.fixture
def resumable(begun, tmp_path):
    """A copy of the interrupted run: its directory, and the arguments that go on with it."""
    shutil.copytree(begun / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "default" / "run", [begun / "config.yaml", "--runs-dir", tmp_path / "runs", "--resume"]


@pytest.fixture
def small_disk():
    """Put a file system of so many kilobytes in a folder, with what lies in the folder."""
    mounted = []

    def mount(folder, kilobytes):
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("only root can mount a small disk")
        aside = folder.with_name(f"{folder.name}-aside")
        folder.rename(aside)
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("no small disk can be mounted here")
        mounted.append(folder)
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        shutil.rmtree(aside)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def enlarge():
    """Make space on a small disk."""

    def remount(folder):
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)

    return remount
