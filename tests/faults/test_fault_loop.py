"""Every command that writes meets faults at its steps: see `tests.faults.loop`.

Unless `CAE_FAULTS=all` is set, commands meet one fault at one step of each kind, and each day others: the step fails,
or the process is killed there, and in time both happen at every step. A run that is trained over an older one, a grid
of two and a comparison of two, which repeat the steps of a training and an evaluation, meet them at twenty steps, each
day others. `CAE_FAULTS_SEED=N` repeats a day. With `CAE_FAULTS=all` commands meet both at all steps, and a disk that
stays full besides.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

SHIM = Path(__file__).with_name("shim.c")
COMMANDS = [
    *("train", "overwrite", "grid", "evaluate", "compare", "visualize", "score", "score into", "reconstruct"),
    *("reconstruct over", "encode h5", "encode npz", "decode", "prepare"),
    *("export keras", "export savedmodel", "figure"),
]
IS_ALL = os.environ.get("CAE_FAULTS") == "all"
SEED = int(os.environ.get("CAE_FAULTS_SEED", time.time() // 86_400))


@pytest.fixture(scope="session")
def shim(tmp_path_factory):
    """The library that stands before the C library."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs a C compiler and Linux")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, SHIM, "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


@pytest.fixture
def folder(tmp_path):
    """In memory, where there is such a thing: the loop waits for the disk thousands of times."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cae-fault-loop-", dir="/dev/shm") as found:
        yield Path(found)


def start(shim, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "tests.faults.loop", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(shim)},
        capture_output=True,
        text=True,
        check=False,
        timeout=5000 if IS_ALL else 900,
    )


def test_after_a_fault_at_any_step_files_are_whole_or_absent_and_the_command_goes_through(shim, folder):
    options = ["--ways", "once", "kill", "full"] if IS_ALL else ["--seed", SEED]
    process = start(shim, folder / "loop", *COMMANDS, *options)
    assert process.returncode == 0, process.stderr[-3000:]
    told = [json.loads(line) for line in process.stdout.splitlines()]
    print(SEED, [{name: value for name, value in one.items() if name != "problems"} for one in told])
    assert [one["case"] for one in told] == COMMANDS
    assert all(one["steps"] >= one["met"] > 15 for one in told)
    problems = [problem for one in told for problem in one["problems"]]
    assert problems == [], "\n".join(problems)
