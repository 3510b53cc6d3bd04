"""What tests of distribution share: configurations, processes, and what is compared of two runs."""

import json
import os
import socket

import h5py
import numpy as np

from tests.warm import WarmProcess

# Losses and weights of one training on another number of devices differ by float32's rounding only.
TOLERANCE = 1e-5
SECONDS = 120  # no process of a test may take longer


def rows_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def weights_of(run):
    found = {}
    with h5py.File(run / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def differences(one, other):
    """The largest difference of any metric of any epoch, and of any weight."""
    mine, its = rows_of(one), rows_of(other)
    assert [row["step"] for row in mine] == [row["step"] for row in its]
    names = [name for name in mine[0] if name not in ("seconds", "images_per_second")]
    assert {"loss", "val_loss", "val_psnr"} <= set(names)
    # PSNR is in decibels; relative to its size it has no more digits than the others.
    pairs = [(a[name], b[name]) for a, b in zip(mine, its, strict=True) for name in names]
    metrics = max(abs(a - b) / max(1.0, abs(a)) for a, b in pairs)
    weights, others = weights_of(one), weights_of(other)
    assert weights.keys() == others.keys()
    assert weights
    return metrics, max(float(np.abs(weights[name] - others[name]).max()) for name in weights)


def assert_same(one, other):
    metrics, weights = differences(one, other)
    print(f"largest differences: metrics {metrics:.2e}, weights {weights:.2e}")
    assert metrics < TOLERANCE
    assert weights < TOLERANCE


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def start(arguments, **environment):
    """Start `python ARGUMENTS` with more environment variables."""
    return WarmProcess(*arguments, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment})


def start_workers(arguments_of_each, **environment):
    """Start the processes of one training on this machine, the chief first."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(arguments_of_each))]
    return [
        start(
            arguments,
            TF_CONFIG=json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}),
            **environment,
        )
        for index, arguments in enumerate(arguments_of_each)
    ]


def finish(processes, seconds=SECONDS):
    """Wait for all; gives (exit code, stdout, stderr) of each. None is left running."""
    try:
        ended = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, out, err) for process, (out, err) in zip(processes, ended, strict=True)]
