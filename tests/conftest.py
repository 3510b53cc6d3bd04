"""Settings and helpers for every test."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

# Tests must behave alike with and without a GPU in the machine, and stay quiet.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# Where tests keep every core busy, threads of NumPy's and scikit-learn's would spend many times their work on waiting
# for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# What a shell starts in the background ignores SIGINT, and so would the processes of these tests.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests cache goes away with them; matplotlib's fonts, which take long to find, stay where they are.
if os.path.isdir(os.path.expanduser("~")):
    os.environ.setdefault("MPLCONFIGDIR", os.path.expanduser("~/.cache/matplotlib"))
if "CAE_TEST_CACHE" not in os.environ:  # the workers of one session share it
    _cache = tempfile.TemporaryDirectory(prefix="cae-test-cache-")
    os.environ["CAE_TEST_CACHE"] = os.environ["XDG_CACHE_HOME"] = _cache.name

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
# Files with single tests of about a minute; together they take less than half of the time of all tests.
LONG = ("test_fault_loop.py", "test_kills.py", "test_mirrored.py", "test_soak.py", "test_workers.py")


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that no worker is left alone with it; leave out, visibly, what takes longer."""
    items.sort(key=lambda item: item.path.name not in LONG)
    if not os.environ.get("CAE_SLOW"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes long: set CAE_SLOW=1"))


def pytest_collection_finish():
    """What was imported stays: those who look for garbage, of which models make much, need not look through it."""
    _look_no_more()
    gc.set_threshold(50_000, 10, 10)


def pytest_runtest_logfinish():
    """Nor through what has been imported and kept since."""
    if _full_collections() >= _looked[0] + 20:
        _look_no_more()


_looked = [0]


def _look_no_more():
    gc.collect()
    gc.freeze()
    _looked[0] = _full_collections()


def _full_collections():
    return gc.get_stats()[2]["collections"]


def make_images(number, height, width, channels=1, seed=0):
    """Smooth random pictures, uint8: low-resolution noise made larger, so that there is something to learn."""
    generator = np.random.default_rng(seed)
    coarse = generator.random((number, height // 4 + 2, width // 4 + 2, channels))
    rows = np.linspace(0, coarse.shape[1] - 1.001, height)
    columns = np.linspace(0, coarse.shape[2] - 1.001, width)
    y, x = rows.astype(int), columns.astype(int)
    fy, fx = (rows - y)[:, None, None], (columns - x)[None, :, None]
    top = coarse[:, y][:, :, x] * (1 - fx) + coarse[:, y][:, :, x + 1] * fx
    bottom = coarse[:, y + 1][:, :, x] * (1 - fx) + coarse[:, y + 1][:, :, x + 1] * fx
    return np.round(255 * (top * (1 - fy) + bottom * fy)).astype(np.uint8)


@pytest.fixture(scope="session")
def image_file(tmp_path_factory):
    """A .npy file of 200 gray pictures of 15x10 pixels."""
    path = tmp_path_factory.mktemp("images") / "pictures.npy"
    np.save(path, make_images(200, 15, 10))
    return path


@pytest.fixture
def write_config(tmp_path, image_file):
    """Write a configuration of a tiny model on tiny images, with changes; gives its path."""

    def write(text="", name="config.yaml"):
        path = tmp_path / name
        path.write_text(f"data: {{source: arrays, path: {image_file}}}\n" + text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def run_command(capsys):
    """Run a command in this process; gives exit code, stdout and stderr."""
    from cae.commands.main import main

    def run(*arguments):
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse
            code = error.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def start_process(*arguments, **options):
    """Start `python ARGUMENTS` in the project's root, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def run_process(*arguments, timeout=120):
    """Run `python ARGUMENTS` in the project's root; gives exit code, stdout and stderr."""
    process = start_process(*arguments)
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err
