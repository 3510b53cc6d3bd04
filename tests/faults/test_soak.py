"""A short soak: memory, open files, threads and the run directory stay bounded while TensorBoard reads."""

import json
import sys

import pytest

from tests.conftest import run_process
from tests.warm import run_warm


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
def test_nothing_grows_while_a_training_goes_on_and_on(tmp_path):
    out = tmp_path / "soak.json"
    code, printed, err = run_process("scripts/soak.py", "--minutes", 0.12, "--out", out, timeout=240)
    assert code == 0, printed + err
    found = json.loads(out.read_text())
    assert found["problems"] == []
    assert found["epochs"] > 20
    assert len(found["samples"]) > 20
    assert found["bytes"]["checkpoints"] > 0


CURVES = """
import random, sys
from pathlib import Path
from cae.engine import start_engine
start_engine()
from cae.runs import RunDirectory
from cae.training.tensorboard import TensorBoardWriter

def memory():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("RssAnon"))

writer = TensorBoardWriter(RunDirectory(Path(sys.argv[1])))
for epoch in range(900):
    if epoch == 100:
        before = memory()
    values = {name: random.random() for name in "abcdefghij"}
    writer.write_scalars(values, values, epoch)
    writer.flush()
print(memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks at its process through /proc")
def test_points_of_curves_are_written_and_not_kept_in_memory(tmp_path):
    code, out, err = run_warm("-c", CURVES, tmp_path / "e" / "run")
    assert code == 0, err
    # 16,000 points; TensorFlow's tensors of them would take 10 MB.
    assert int(out) < 6000, "kilobytes"
