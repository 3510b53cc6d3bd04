"""The processes that train together: who they are, and waiting for all of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cae.errors import ConfigError, UserError

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):(\d{1,5})")
_SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")
# Two jobs on a node must not want one port; below 32768, where systems begin to give ports out by themselves.
_FIRST_PORT, _NUM_PORTS, _PORTS_PER_JOB = 12000, 20000, 16


@dataclass(frozen=True)
class Cluster:
    """The processes of one training.

    Example:
        >>> cluster = Cluster({"worker": ("a:2222", "b:2222")}, "worker", 1)
        >>> cluster.num_workers, cluster.is_chief
        (2, False)

    Args:
        jobs: addresses, host:port, by TensorFlow's job name: `worker`, and `chief` where there is one.
        job: this process's.
        index: this process's number in its job.
    """

    jobs: Mapping[str, tuple[str, ...]]
    job: str
    index: int

    @property
    def num_workers(self) -> int:
        """Processes, the chief included."""
        return sum(len(addresses) for addresses in self.jobs.values())

    @property
    def is_chief(self) -> bool:
        """Whether this is the one process that writes."""
        return self.number == 0

    @property
    def number(self) -> int:
        """Of this process among all; the chief's is 0."""
        return self.index + (len(self.jobs["chief"]) if self.job != "chief" and "chief" in self.jobs else 0)


def find_cluster() -> Cluster:
    """Read the cluster from TF_CONFIG, or else from Slurm; for Slurm TensorFlow must have been started.

    Raises:
        ConfigError: neither is there, or what is there is wrong.
    """
    if "TF_CONFIG" in os.environ:
        try:
            return _from_tf_config(os.environ["TF_CONFIG"])
        except RecursionError as error:
            raise ConfigError("TF_CONFIG: is nested too deeply.") from error
    if "SLURM_PROCID" in os.environ:
        return _from_slurm()
    raise ConfigError(
        "training.strategy: multi_worker needs the environment variable TF_CONFIG, or to be started by Slurm's srun;"
        " neither is there. See docs/scaling.md."
    )


def _from_tf_config(text: str) -> Cluster:
    try:
        config = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"TF_CONFIG: must be JSON: {error}. Received: {text[:200]!r}.") from error
    if not isinstance(config, dict):
        raise ConfigError(f"TF_CONFIG: must be a mapping with `cluster` and `task`. Received: {text[:200]!r}.")
    jobs = _jobs(config.get("cluster"))
    task = config.get("task")
    if not isinstance(task, dict):
        raise ConfigError(f"TF_CONFIG: `task` must be a mapping with `type` and `index`. Received: {task!r}.")
    job, index = task.get("type"), task.get("index")
    if not isinstance(job, str) or job not in jobs:
        raise ConfigError(f"TF_CONFIG: `task.type` must be one of {', '.join(jobs)}. Received: {job!r}.")
    if isinstance(index, str) and len(index) < 10 and index.isdecimal():  # some launchers quote it
        index = int(index)
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(jobs[job]):
        raise ConfigError(
            f"TF_CONFIG: `task.index` must be an integer from 0 to {len(jobs[job]) - 1}. Received: {repr(index)[:80]}."
        )
    return Cluster(jobs, job, index)


def _jobs(cluster: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(cluster, dict) or not cluster:
        raise ConfigError(f"TF_CONFIG: `cluster` must map job names to lists of addresses. Received: {cluster!r}.")
    for job, addresses in cluster.items():
        if job not in ("chief", "worker"):
            rule = "TF_CONFIG: jobs must be `chief` and `worker`; there are no parameter servers and no evaluators here"
            raise ConfigError(f"{rule}. Received: {job!r}.")
        if not isinstance(addresses, list) or not addresses or (job == "chief" and len(addresses) != 1):
            number = "one address" if job == "chief" else "addresses"
            raise ConfigError(f"TF_CONFIG: `cluster.{job}` must be a list of {number}. Received: {addresses!r}.")
        for address in addresses:
            found = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
            if found is None or not 0 < int(found.group(1)) < 65536:
                raise ConfigError(f"TF_CONFIG: an address of `cluster.{job}` must be host:port. Received: {address!r}.")
    every = [address for addresses in cluster.values() for address in addresses]
    twice = sorted({address for address in every if every.count(address) > 1})
    if twice:
        raise ConfigError(f"TF_CONFIG: every process needs an address of its own. Received twice: {', '.join(twice)}.")
    return {job: tuple(cluster[job]) for job in ("chief", "worker") if job in cluster}


def _from_slurm() -> Cluster:
    environ = os.environ
    missing = [name for name in _SLURM if not environ.get(name)]
    if missing:
        raise ConfigError(
            f"training.strategy: multi_worker must be started by srun within a Slurm job; {', '.join(missing)} is not"
            " set. Received SLURM_PROCID, which says that this is a Slurm job."
        )
    import tensorflow as tf

    try:
        num_tasks, job_id = int(environ["SLURM_STEP_NUM_TASKS"]), int(environ.get("SLURM_JOB_ID", "0"))
        # Each process uses the GPUs that Slurm lets it see. The resolver needs at least one, so it gets one
        # for each process, and not to hand them out.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=_FIRST_PORT + job_id * _PORTS_PER_JOB % _NUM_PORTS,
            gpus_per_node=num_tasks,
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        addresses = resolver.cluster_spec().as_dict()["worker"]
        number = int(environ["SLURM_PROCID"])
    except (RuntimeError, ValueError) as error:
        given = ", ".join(f"{name}={environ[name]}" for name in _SLURM)
        raise ConfigError(f"Slurm's environment cannot be understood: {error} Received: {given}.") from error
    # Slurm counts n2 before n10; the resolver sorts them as text.
    cluster = Cluster({"worker": tuple(sorted(addresses, key=_natural))}, "worker", number)
    _check_own_node(cluster, environ.get("SLURMD_NODENAME"))
    return cluster


def _check_own_node(cluster: Cluster, node: str | None) -> None:
    """Refuse a distribution of tasks over nodes in which this process would listen at another's address."""
    if cluster.number >= cluster.num_workers:
        raise ConfigError(
            f"SLURM_PROCID must be below the number of tasks, {cluster.num_workers}. Received: {cluster.number}."
        )
    address = cluster.jobs["worker"][cluster.number]
    if node is not None and address.rsplit(":", 1)[0] != node:
        raise ConfigError(
            f"Slurm must number tasks node by node (srun --distribution=block). Received: task {cluster.number} on"
            f" {node}, where {address} was expected."
        )


def _natural(address: str) -> list[Any]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", address)]


SECONDS_BETWEEN_ROUNDS = 0.2
SECONDS_TO_ANSWER = 1.0


def wait_for_all(cluster: Cluster, seconds: float) -> None:
    """Return when all processes listen at their addresses, as this one does meanwhile.

    TensorFlow's engine waits by itself, too, but while it does it takes no signals and cannot say who is missing.

    Args:
        cluster: the processes.
        seconds: how long to wait.

    Raises:
        UserError: some did not come in time, or this process cannot listen.
    """
    own = cluster.jobs[cluster.job][cluster.index]
    others = [address for addresses in cluster.jobs.values() for address in addresses if address != own]
    if not others:
        return
    deadline = time.monotonic() + seconds
    with _listening(own) as answer_others:
        # All are asked again each time: one that was there may have ended since.
        while absent := [address for address in others if not _answers(address)]:
            answer_others()
            if time.monotonic() > deadline:
                raise UserError(
                    f"Process {cluster.number} of {cluster.num_workers} has waited {seconds:.0f} seconds for the"
                    f" others: nothing answers at {', '.join(absent)}. Either they have not started, or they cannot"
                    " be reached; their own messages may say why."
                )
            time.sleep(SECONDS_BETWEEN_ROUNDS)


@contextlib.contextmanager
def _listening(address: str) -> Iterator[Callable[[], None]]:
    """Listen at this process's own port, until the engine does; gives what answers those who have called."""
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    try:
        server = socket.create_server(("", _split(address)[1]), family=family, dualstack_ipv6=both)
    except OSError as error:
        raise UserError(f"This process cannot take part as {address}: {error.strerror or error}.") from error

    def answer() -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                server.accept()[0].close()

    with server:
        server.setblocking(False)
        yield answer


def _answers(address: str) -> bool:
    try:
        socket.create_connection(_split(address), SECONDS_TO_ANSWER).close()
    except (OSError, UnicodeError):  # names of machines may not be known yet, or be none at all
        return False
    return True


def _split(address: str) -> tuple[str, int]:
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)
