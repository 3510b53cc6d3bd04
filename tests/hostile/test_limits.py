"""Time and memory of hostile input, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.hostile.measured import CONFIGURATIONS
from tests.hostile.pictures import corpus

MOST_MEMORY = 200_000_000

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell sizes")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    command = [sys.executable, "-m", "tests.hostile.measured", tmp_path_factory.mktemp("measured")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(ended.stdout)


def test_no_configuration_takes_a_second_or_much_memory(measured):
    assert len(CONFIGURATIONS) > 25
    assert measured["seconds"] < 1.0, measured["slowest"]
    assert measured["configurations"] < MOST_MEMORY


def test_no_picture_takes_much_memory(measured):
    assert measured["cases"] == len(corpus()) - 1
    assert measured["pictures"] < MOST_MEMORY
