"""A lack of memory is told with what takes it: the size of batches and of images."""

import sys

import pytest

from tests.conftest import start_process
from tests.faults.runs import summary

# As much address space as the program has when training begins, and so many megabytes more.
LIMITED = """
import resource, sys
from cae.engine import start_engine
start_engine()
import cae.training.train as train
make_state = train.Training._make_state
def limit(training):
    state = make_state(training)
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + {megabytes} * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return state
train.Training._make_state = limit
from cae.commands.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.slow
def test_out_of_memory_names_batch_size_and_image_size(write_config, tmp_path):
    config = write_config(
        "data: {source: bundled, image_size: [400, 320]}\n"
        "training: {batch_size: 4400}\nmodel: {encoder: {filters: [2]}}"
    )
    # Without the fixture's own images, which are too few. A batch alone takes 2.2 GB.
    config.write_text("".join(config.read_text().splitlines(keepends=True)[1:]))
    process = start_process("-c", LIMITED.format(megabytes=3000), "train", config, "--runs-dir", tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "training.batch_size: 4400 and images of 400x320x1" in message
    assert summary(tmp_path / "default" / "run")["status"] == "failed"
    assert "Out of memory" in summary(tmp_path / "default" / "run")["error"]
