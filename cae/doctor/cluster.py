"""`TF_CONFIG`, by which the workers of a training on several machines find each other."""

from __future__ import annotations

import os

from cae.doctor.finding import Finding, ok, problem, warning
from cae.errors import ConfigError
from cae.training.cluster import find_cluster

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
