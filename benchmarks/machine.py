"""What the figures were measured on."""

from __future__ import annotations

import contextlib
import datetime
import importlib.metadata
import json
import os
import subprocess
import sys
from typing import Any

from benchmarks.children import ROOT

# Vector and matrix instructions that decide how fast convolutions can be.
_TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve")
# What users set to change threads, allocators and kernels.
_TELLING_VARIABLES = (
    "GLIBC_",
    "OMP_",
    "MKL_",
    "KMP_",
    "GOMP_",
    "TF_NUM_",
    "TF_ENABLE_",
    "TF_XLA_",
    "TF_GPU_",
    "ONEDNN_",
    "DNNL_",
    "LD_PRELOAD",
    "MALLOC_",
    "CUDA_",
    "XLA_",
)


def describe_machine() -> dict[str, Any]:
    """Machine, packages and settings; TensorFlow is asked in a process of its own."""
    found = subprocess.run([sys.executable, "-m", "benchmarks.machine"], cwd=ROOT, capture_output=True, check=True)
    return json.loads(found.stdout)


def _describe() -> dict[str, Any]:
    from cae.engine import start_engine

    start_engine()
    import tensorflow as tf

    from cae.runs.read_back import describe_environment

    environment = describe_environment()
    del environment["command"]
    return {
        **environment,
        "packages": environment["packages"] | _versions("torch"),
        "cpu_flags": cpu_flags(),
        "memory_gigabytes": _memory_gigabytes(),
        "threads": {
            "tensorflow_intra_op": tf.config.threading.get_intra_op_parallelism_threads() or "one a core",
            "tensorflow_inter_op": tf.config.threading.get_inter_op_parallelism_threads() or "one a core",
        },
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_TELLING_VARIABLES)},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _versions(*names: str) -> dict[str, str]:
    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def cpu_flags() -> list[str]:
    """Those of the telling instruction sets that the first core has."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line.split(":", 1)[1].split() for line in file if line.startswith(("flags", "Features"))]
    except OSError:  # not Linux
        return []
    return [flag for flag in _TELLING_FLAGS if lines and flag in lines[0]]


def _memory_gigabytes() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):
        return None


if __name__ == "__main__":
    print(json.dumps(_describe()))
