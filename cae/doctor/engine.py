"""TensorFlow, its GPUs and the processes that train together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from cae.doctor import Finding, ok, problem, warning
from cae.errors import ConfigError
from cae.machine import Machine, nvidia_devices
from cae.training.distribution.cluster import find_cluster

# The smallest thing that needs everything: import, devices, a compiled convolution.
_PROBE = """
import json, os
os.environ["KERAS_BACKEND"] = "tensorflow"
import tensorflow as tf, keras, tensorboard
gpus = tf.config.list_physical_devices("GPU")
for gpu in gpus:
    tf.config.experimental.set_memory_growth(gpu, True)
value = float(tf.reduce_sum(tf.nn.conv2d(tf.ones((1, 4, 4, 1)), tf.ones((3, 3, 1, 1)), 1, "VALID")))
print(json.dumps({
    "tensorflow": tf.__version__, "keras": keras.__version__, "tensorboard": tensorboard.__version__,
    "gpus": [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus],
    "cuda": tf.test.is_built_with_cuda(), "value": value,
}))
"""
_RIGHT_VALUE = 36.0


@dataclass(frozen=True)
class Engine:
    """What the trial found.

    Args:
        report: versions, names of GPUs, and so on; None when it failed.
        error: why, in a line.
    """

    report: dict[str, Any] | None = None
    error: str = ""

    @property
    def gpus(self) -> list[str]:
        """Names of the GPUs that TensorFlow can use."""
        return list(self.report["gpus"]) if self.report else []


@dataclass
class EngineTrial:
    """The trial, which takes seconds and runs while other checks go on.

    Args:
        probe: the Python program to run.
        seconds: how long it may take.
    """

    probe: str = _PROBE
    seconds: float = 120.0
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.probe], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> Engine:
        """Wait for its end."""
        if self._process is None:
            self.start()
        assert self._process is not None
        try:
            out, err = self._process.communicate(timeout=self.seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Engine(error=f"it did not start within {self.seconds:.0f} seconds")
        code = self._process.returncode
        if code == 0:
            return Engine(json.loads(out.splitlines()[-1]))
        lines = [line for line in err.splitlines() if line.strip()]
        reason = f"it was ended by signal {-code}" if code < 0 else lines[-1] if lines else f"exit code {code}"
        return Engine(error=reason)


def check_engine(engine: Engine) -> Finding:
    """Whether TensorFlow and Keras start and compute."""
    if engine.report is None:
        remedy = "install it again in a new environment: pip install -r requirements.txt"
        return problem("tensorflow", f"cannot be used: {engine.error}", remedy)
    report = engine.report
    if report["value"] != _RIGHT_VALUE:
        found = f"a convolution of ones gave {report['value']:g} instead of {_RIGHT_VALUE:g}"
        return problem("tensorflow", found, "do not trust this installation: install it again, or use other hardware")
    found = f"TensorFlow {report['tensorflow']}, Keras {report['keras']}, TensorBoard {report['tensorboard']} start"
    return ok("tensorflow", found)


def check_gpus(engine: Engine, machine: Machine) -> Finding:
    """GPUs that TensorFlow uses, and such as are there but cannot be used."""
    if engine.gpus:
        return ok("gpus", f"{len(engine.gpus)}: {', '.join(engine.gpus)}")
    there = nvidia_devices(machine)
    if not there:
        return ok("gpus", "none in this machine; the CPU is used")
    hidden = machine.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return warning(
            "gpus", f"{len(there)} hidden by CUDA_VISIBLE_DEVICES={hidden!r}", "unset CUDA_VISIBLE_DEVICES to use them"
        )
    found = f"{len(there)} in this machine, but TensorFlow can use none: CUDA's libraries or the driver do not fit"
    return warning("gpus", found, "pip install 'tensorflow[and-cuda]', and see that nvidia-smi works")


_QUERY = ["nvidia-smi", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
_MIB = 2**20


def ask_driver() -> list[tuple[int, int]]:
    """Free and total bytes of each GPU; nothing where there is no driver."""
    try:
        answer = subprocess.run(_QUERY, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return read_answer(answer)


def read_answer(answer: str) -> list[tuple[int, int]]:
    r"""Read what nvidia-smi prints.

    Example:
        >>> read_answer("1024, 2048\n[N/A], [N/A]\n")
        [(1073741824, 2147483648)]
    """
    lines = ([word.strip() for word in line.split(",")] for line in answer.splitlines())
    return [
        (int(words[0]) * _MIB, int(words[1]) * _MIB)
        for words in lines
        if len(words) == 2 and all(map(str.isdigit, words))
    ]


def check_gpu_memory(memory: list[tuple[int, int]]) -> Finding:
    """Whether another program holds the GPUs' memory."""
    shown = ", ".join(f"{free / 1e9:.1f} of {total / 1e9:.1f} GB free" for free, total in memory)
    if any(free < total / 2 for free, total in memory):
        return warning("gpu memory", shown, "see in nvidia-smi which program holds it")
    return ok("gpu memory", shown)


_EXAMPLE = """{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}"""


def check_cluster() -> Finding:
    """Whether this process's TF_CONFIG can be understood, as training on several machines will read it."""
    if "TF_CONFIG" not in os.environ:
        return ok("TF_CONFIG", "not set: this machine trains alone")
    try:
        cluster = find_cluster()
    except ConfigError as error:
        return problem("TF_CONFIG", str(error).rstrip("."), f"unset TF_CONFIG, or write it like {_EXAMPLE}")
    if cluster.num_workers == 1:
        return warning("TF_CONFIG", "names this process only", "unset TF_CONFIG to train on one machine")
    return ok("TF_CONFIG", f"{cluster.num_workers} processes, of which this is {cluster.job} {cluster.index}")
