"""A lack of memory is told with what takes it: the size of batches and of images."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from cae.errors import UserError
from cae.training.outcome import naming_memory
from tests.faults.runs import summary
from tests.warm import run_warm

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
def test_out_of_memory_names_batch_size_and_image_size(tmp_path):
    # Zeros that take no room on the disk. A batch takes 1.0 GB in one piece, and all else finds room.
    np.lib.format.open_memmap(tmp_path / "images.npy", "w+", np.uint8, (340, 1600, 2000)).flush()
    config = tmp_path / "config.yaml"
    config.write_text(
        "data: {source: arrays, path: images.npy, validation_fraction: 0.02, test_fraction: 0.02}\n"
        "training: {batch_size: 320}\nmodel: {encoder: {filters: [2]}}\nlogging: {probe_images: 1}"
    )
    code, _, err = run_warm("-c", LIMITED.format(megabytes=900), "train", config, "--runs-dir", tmp_path)
    assert code == 1, err
    assert "Traceback" not in err
    (message,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert "training.batch_size: 320 and images of 1600x2000x1" in message
    assert summary(tmp_path / "default" / "run")["status"] == "failed"
    assert "Out of memory" in summary(tmp_path / "default" / "run")["error"]


def test_the_engines_lack_of_memory_is_told_as_any_other():
    with (
        pytest.raises(UserError, match=r"batch_size: 7 and images of 9x8x1 \(OOM when allocating tensor"),
        naming_memory(7, (9, 8, 1)),
    ):
        # As it says of `tf.zeros([2**46])`, after it has tried for ten seconds.
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[70368744177664]")
