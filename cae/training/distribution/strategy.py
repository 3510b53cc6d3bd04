"""Where training runs: one device, all local GPUs mirrored, or several processes together."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import tensorflow as tf

from cae.data.batch_shares import Shares
from cae.errors import ConfigError, UserError
from cae.stop_handler import stop_signals

if TYPE_CHECKING:
    from cae.training.distribution.cluster import Cluster

# How long a process waits for the others when a training starts, and how long for a sign of life later on.
SECONDS_TO_JOIN = 300
SECONDS_WITHOUT_SIGN_OF_LIFE = 30


def make_strategy(name: str, cluster: Cluster | None = None) -> tf.distribute.Strategy:
    """TensorFlow's strategy for `training.strategy`.

    Args:
        name: `auto` and `mirrored` use all local GPUs, or without any all logical CPUs (`auto` only GPUs);
            `one_device` the first GPU, or the CPU; `multi_worker` all GPUs of all processes, or one CPU of each.
        cluster: the processes of `multi_worker`; a single one is as `auto`.
    """
    if cluster is not None and cluster.num_workers > 1:
        return _join(cluster)
    devices = tf.config.list_logical_devices("GPU")
    if name == "mirrored" and not devices:
        devices = tf.config.list_logical_devices("CPU")
    if name != "one_device" and len(devices) > 1:
        return _mirror(tuple(device.name for device in devices))
    return tf.distribute.get_strategy()


def make_shares(strategy: tf.distribute.Strategy, cluster: Cluster | None) -> Shares | None:
    """How batches are divided between the strategy's replicas; None for a single one."""
    num_replicas = strategy.num_replicas_in_sync
    if num_replicas == 1:
        return None
    num_workers, number = (cluster.num_workers, cluster.number) if cluster is not None else (1, 0)
    num_local = num_replicas // num_workers
    return Shares(num_replicas, number * num_local, num_local)


def check_batch_size(batch_size: int, strategy: tf.distribute.Strategy) -> None:
    """Refuse a batch that cannot be divided.

    Raises:
        ConfigError: there are more replicas than images in a batch.
    """
    if batch_size < strategy.num_replicas_in_sync:
        raise ConfigError(
            "`training.batch_size` counts the images of all replicas together and must be at least their number,"
            f" {strategy.num_replicas_in_sync}. Received: batch_size={batch_size}."
        )


def uses_xla(setting: Literal["auto"] | bool, strategy: tf.distribute.Strategy) -> bool:
    """Whether to compile the step: `auto` does so on a GPU; on a CPU compiled convolutions run at half the speed.

    Args:
        setting: `training.xla`.
        strategy: where the step runs.

    Raises:
        ConfigError: it is asked for with several replicas, whose exchange of gradients XLA cannot compile.
    """
    single = strategy.num_replicas_in_sync == 1
    if setting == "auto":
        return bool(tf.config.list_logical_devices("GPU")) and single
    if setting and not single:
        raise ConfigError(
            "`training.xla: true` needs a single replica (training.strategy: one_device); use auto or false."
            f" Received: {strategy.num_replicas_in_sync} replicas."
        )
    return setting


@functools.cache
def _mirror(devices: tuple[str, ...]) -> tf.distribute.Strategy:
    """One for the whole process: a second one would mix its exchanges up with those of the first."""
    return tf.distribute.MirroredStrategy(devices)


def _join(cluster: Cluster) -> tf.distribute.Strategy:
    """Wait for the other processes, and become one of them."""
    # Asked of the machine, not of TensorFlow's engine, which must not start before the cluster is known.
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({job: list(addresses) for job, addresses in cluster.jobs.items()}),
        task_type=cluster.job,
        task_id=cluster.index,
        num_accelerators={"GPU": num_gpus},
        rpc_layer="grpc",
    )
    _set_patience(cluster)
    try:
        with _ended_by_signals():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except (tf.errors.DeadlineExceededError, tf.errors.UnavailableError) as error:
        raise UserError(
            f"Process {cluster.number} of {cluster.num_workers} has waited {SECONDS_TO_JOIN} seconds for the others:"
            " not all of them have started, or they cannot reach each other. Their own messages may say why."
        ) from error
    except tf.errors.OpError as error:
        address = cluster.jobs[cluster.job][cluster.index]
        raise UserError(f"This process cannot take part as {address}: {str(error).splitlines()[0]}") from error


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let Ctrl-C end the process at once: Python would not come to handle it, and nothing is there to save.

    SIGTERM waits until all have joined: the engine takes it for itself before it begins to wait, and holds Python up.
    That takes moments, since all were there a moment ago.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in stop_signals()}
    try:
        yield
    finally:
        # Also since the engine, by now, would swallow SIGTERM.
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _set_patience(cluster: Cluster) -> None:
    """Let waiting end some time: by itself TensorFlow waits for an hour, and hardly notices a frozen process."""
    # TensorFlow has no public name for this; without it the strategy sets the same with its own times.
    from tensorflow.compiler.xla.tsl.protobuf import coordination_config_pb2
    from tensorflow.python.eager import context

    leader = "chief" if "chief" in cluster.jobs else "worker"
    context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=f"/job:{leader}/replica:0/task:0",
        cluster_register_timeout_in_ms=1000 * SECONDS_TO_JOIN,
        heartbeat_timeout_in_ms=1000 * SECONDS_WITHOUT_SIGN_OF_LIFE,
        shutdown_barrier_timeout_in_ms=1000 * SECONDS_WITHOUT_SIGN_OF_LIFE,
        coordinated_jobs=[
            coordination_config_pb2.CoordinatedJob(name=job, num_tasks=len(addresses))
            for job, addresses in cluster.jobs.items()
        ],
    )
