"""A program that measures what real training steps take of TensorFlow's allocator.

`python -m tests.plan.measured_steps CASES` prints a list of bytes, one for each case, or null where the allocator of
this machine keeps no accounts. A case is [model section, image shape, batch size, precision].
"""

import json
import sys

from cae.config import RunConfig
from cae.engine import start_engine
from cae.plan import make_plan


def measure(model, image_shape, batch_size, precision):
    import tensorflow as tf

    from cae.model import build_autoencoder
    from cae.training.amount import Amount
    from cae.training.objective import Objective
    from cae.training.optimizer import make_optimizer
    from cae.training.step import Steps

    config = RunConfig.model_validate({"model": model, "training": {"precision": precision}})
    autoencoder = build_autoencoder(make_plan(config.model, tuple(image_shape)), precision=precision)
    optimizer = make_optimizer(config.training, Amount(1, steps_per_epoch=10, steps=100))
    optimizer.build(autoencoder.model.trainable_variables)
    objective = Objective(config.objective)
    strategy = tf.distribute.get_strategy()
    steps = Steps(autoencoder, optimizer, objective, config.objective.corruption, seed=0, strategy=strategy, xla=False)

    def take_steps(size, number):
        batches = iter(tf.data.Dataset.from_tensor_slices(tf.random.uniform((size, *image_shape))).batch(size).repeat())
        before = tf.config.experimental.get_memory_info("CPU:0")["current"]
        tf.config.experimental.reset_memory_stats("CPU:0")
        steps.train(batches, tf.constant(number, tf.int64), steps.zero_sums()).numpy()
        return tf.config.experimental.get_memory_info("CPU:0")["peak"] - before

    take_steps(1, number=1)  # whatever is made once
    return take_steps(batch_size, number=2)


def keeps_accounts():
    import tensorflow as tf

    try:
        kept = tf.random.uniform((1024, 1024))
        return tf.config.experimental.get_memory_info("CPU:0")["current"] >= 4 * int(tf.size(kept))
    except ValueError:
        return False


if __name__ == "__main__":
    start_engine()
    cases = json.loads(sys.argv[1])
    print(json.dumps([measure(*case) for case in cases] if keeps_accounts() else None))
