"""What tests of faults ask of runs: their numbers, their curves, and to wait for them."""

import json
import signal
import time

import h5py
import numpy as np
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader


def weights(run):
    found = {}
    with h5py.File(run / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def metrics(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    timed = ("seconds", "images_per_second")
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def summary(run):
    return json.loads((run / "summary.json").read_text())


def assert_same_run(one, other):
    assert metrics(one) == metrics(other)
    mine, its = weights(one), weights(other)
    assert mine.keys() == its.keys()
    assert mine
    for name in mine:
        np.testing.assert_array_equal(mine[name], its[name], err_msg=name)


def scalars(folder):
    """(tag, step) of every event with a summary, in the order in which TensorBoard reads them."""
    points = []
    for file in sorted(folder.glob("events*")):
        for event in EventFileLoader(str(file)).Load():
            points += [(value.tag, event.step) for value in event.summary.value if event.HasField("summary")]
    return points


def assert_curves_are_whole(run, steps):
    """Each curve has one point for each of these steps, in their order."""
    points = scalars(run)
    for tag in ("4_errors/mse", "4_errors/val_mse"):
        assert [step for found, step in points if found == tag] == steps
    assert len(points) == len(set(points)), "a step was logged twice"


def stop():
    """End the training in this process as a scheduler would."""
    signal.raise_signal(signal.SIGTERM)


def count_rows(run):
    path = run / "metrics.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def wait_for_rows(run, number, process, seconds=120):
    """Wait until a run has so many finished epochs, or its process has ended."""
    wait_until(lambda: count_rows(run) >= number, process, seconds)


def wait_until(condition, process, seconds=120):
    """Wait until something holds, or the process has ended."""
    deadline = time.monotonic() + seconds
    while process.poll() is None and not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)
