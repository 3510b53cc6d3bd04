"""Run commands of `cae` where the CPU is several devices: `python -m THIS NUMBER COMMAND ... [-- COMMAND ...]`."""

import itertools
import os
import sys

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from cae.engine import start_engine


def run(number: int, arguments: list[str]) -> int:
    start_engine()
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * number)
    from cae.commands.main import main

    commands = [list(group) for is_end, group in itertools.groupby(arguments, lambda word: word == "--") if not is_end]
    return max(main(command) for command in commands)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), sys.argv[2:]))
