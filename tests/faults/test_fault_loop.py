"""Every command that writes meets a fault at each of its steps: see `tests.faults.loop`.

Trainings and grids, which take hundreds of steps, at some of them unless `CAE_FAULTS=all` is set.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.slow
SHIM = Path(__file__).with_name("shim.c")
# About as long as each other, for two workers.
GROUPS = {
    "results": ["score", "score into", "reconstruct", "reconstruct over", "encode h5", "encode npz", "decode"],
    "others": ["evaluate", "compare", "visualize", "prepare", "export keras", "export savedmodel", "figure"],
    "runs": ["train", "overwrite"],
    "grids": ["grid"],
}
# A training takes two hundred steps, most of them of the same few files; a grid is several trainings.
EVERY = {} if os.environ.get("CAE_FAULTS") == "all" else {"runs": 16, "grids": 64}


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
        timeout=500,
    )


@pytest.mark.parametrize("group", GROUPS)
def test_after_a_fault_at_any_step_files_are_whole_or_absent_and_the_command_goes_through(shim, folder, group):
    process = start(shim, folder / "loop", "--every", EVERY.get(group, 1), *GROUPS[group])
    assert process.returncode == 0, process.stderr[-3000:]
    told = [json.loads(line) for line in process.stdout.splitlines()]
    print([{name: value for name, value in one.items() if name != "problems"} for one in told])
    assert [one["case"] for one in told] == GROUPS[group]
    assert all(one["steps"] > 5 for one in told)
    problems = [problem for one in told for problem in one["problems"]]
    assert problems == [], "\n".join(problems)


def tree(folder):
    """Names and contents; only sizes of what holds times, durations or its own path, which is of the same length."""
    found = {}
    for path in folder.rglob("*"):
        name = re.sub(r"\.writing-.{8}-", ".writing-", str(path.relative_to(folder)))
        name = re.sub(r"tfevents\..*", "tfevents", name)
        is_timed = "tfevents" in name or path.suffix in (".json", ".jsonl", ".npz", ".yaml")
        found[name] = None if path.is_dir() else path.stat().st_size // 64 if is_timed else path.read_bytes()
    return found


@pytest.mark.parametrize(("case", "seed"), [("score", 0), ("encode h5", 1), ("train", 2)])
def test_a_fault_at_a_step_and_all_that_follow_leaves_on_the_disk_what_a_kill_there_leaves(shim, folder, case, seed):
    dead = start(shim, folder / "dead", case, "--stop", seed, "--way", "dead")
    assert dead.returncode == 0, dead.stderr[-3000:]
    killed = start(shim, folder / "kill", case, "--stop", seed, "--way", "kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    one, other = tree(folder / "dead" / "root"), tree(folder / "kill" / "root")
    assert one == other
    assert one != tree(folder / "dead" / "template")
