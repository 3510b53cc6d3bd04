"""A training that is killed again and again is, in the end, the training that was never killed.

`CAE_KILLS=20 python -m pytest tests/faults/test_kills.py` kills more often than the few times of an ordinary run.
"""

import os
import random
import signal
import time

import pytest

from tests.faults.runs import assert_curves_are_whole, assert_same_run, count_rows, metrics, wait_for_rows
from tests.warm import WarmProcess, run_warm

KILLS = int(os.environ.get("CAE_KILLS", "3"))
SEED = int(os.environ.get("CAE_KILLS_SEED", "1"))

# Everything that draws random numbers or counts: dropout, noise, augmentation, schedule, early stopping; and shared
# kernels. Checkpoints come as often as the loop looks up, and are far larger than any other file.
CONFIG = """
experiment: e
name: {name}
seed: 5
model: {{encoder: {{filters: [48, 96], dropout: 0.2, normalization: batch}}, bottleneck: none,
         decoder: {{upsampling: max_unpool, tied_weights: true}}}}
objective: {{reconstruction: {{mse: 1.0, ssim: 0.1}}, corruption: {{kind: gaussian, stddev: 0.2}}, latent_l1: 0.001}}
training: {{epochs: {epochs}, batch_size: 16, deterministic: true, checkpoint_minutes: 1.0e-5,
            schedule: {{kind: cosine, warmup_epochs: 2}}, early_stopping: {{patience: 1000}}}}
logging: {{image_epochs: 1000}}
"""
AUGMENTATION = ["--set", "data.augmentation={horizontal_flip: true, random_crop: 2}"]
STEPS_PER_EPOCH = 11  # 162 images in batches of 16
# Of this many bytes only checkpoints are.
LARGE = (400_000, 640_000)


def kill_once(way, generator, run, command):
    """Train until a kill of one kind; gives whether it struck while a checkpoint was being written."""
    if way == "moment":
        process = WarmProcess("train.py", *command)
        rows = count_rows(run)
        if rows and generator.random() < 0.25:  # any time from the start of the program on
            time.sleep(generator.uniform(0.0, 4.0))
        else:  # the first one leaves something to go on from, however slow the machine is
            wait_for_rows(run, rows + generator.randint(0 if rows else 1, 3), process)
            time.sleep(generator.uniform(0.0, 0.5))
        process.kill()
    else:
        number = generator.randint(1, 60) if way == "operation" else generator.randint(*LARGE)
        process = WarmProcess("-m", "tests.faults.dying", run, way, number, "train", *command)
    _, err = process.communicate(timeout=120)
    expected = -signal.SIGXFSZ if way == "bytes" else -signal.SIGKILL
    assert process.returncode == expected, err
    return any((run / "checkpoints").glob(".writing-*"))


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs signals and limits of a POSIX system")
def test_a_run_that_was_killed_again_and_again_equals_one_that_was_not_bit_for_bit(write_config, tmp_path):
    epochs = 9 + 3 * KILLS
    config = write_config(CONFIG.format(name="whole", epochs=epochs))
    seconds = 120 + 20 * KILLS  # the more kills, the more epochs
    code, out, err = run_warm("train.py", config, *AUGMENTATION, "--runs-dir", tmp_path, timeout=seconds)
    assert code == 0, err
    whole = tmp_path / "e" / "whole"
    assert out.splitlines()[-1] == str(whole)

    config = write_config(CONFIG.format(name="killed", epochs=epochs), "killed.yaml")
    killed, generator = tmp_path / "e" / "killed", random.Random(SEED)
    command = [config, *AUGMENTATION, "--runs-dir", tmp_path, "--resume"]
    ways = [("moment", "bytes", "operation")[number % 3] for number in range(KILLS)]
    struck_writing = []
    for number, way in enumerate(ways):
        struck_writing.append(kill_once(way, generator, killed, command))
        print(f"kill {number + 1}: {way}, after epoch {count_rows(killed)}, in a checkpoint: {struck_writing[-1]}")
    assert any(struck_writing), "no kill struck while a checkpoint was being written"
    assert not (killed / "summary.json").exists(), "the run ended before its last kill"

    code, _, err = run_warm("train.py", *command, timeout=seconds)
    assert code == 0, err
    assert "Going on from step" in err
    assert_same_run(whole, killed)
    steps = [row["step"] for row in metrics(whole)]
    assert steps == [STEPS_PER_EPOCH * epoch for epoch in range(1, epochs + 1)]
    for run in (whole, killed):
        assert_curves_are_whole(run, steps)
        assert [path for path in run.rglob(".writing-*") if path.is_file()] == []
        assert len(list((run / "checkpoints").iterdir())) == 4
