"""Where training runs: one device, or all local GPUs mirrored."""

from __future__ import annotations

from typing import Literal

import tensorflow as tf


def make_strategy(name: str) -> tf.distribute.Strategy:
    """TensorFlow's strategy for `training.strategy`.

    Args:
        name: `auto` and `mirrored` use all local GPUs (`auto` only when there are several), `one_device` the first
            GPU, or the CPU.
    """
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored" or (name == "auto" and len(gpus) > 1):
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def uses_xla(setting: Literal["auto"] | bool, strategy: tf.distribute.Strategy) -> bool:
    """Whether to compile the step: `auto` does so on a GPU; on a CPU compiled convolutions run at half the speed.

    Args:
        setting: `training.xla`.
        strategy: where the step runs.
    """
    if setting != "auto":
        return setting
    return bool(tf.config.list_logical_devices("GPU")) and strategy.num_replicas_in_sync == 1
