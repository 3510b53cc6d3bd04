"""Start TensorFlow and Keras with the settings that every command relies on."""

from __future__ import annotations

import os


def start_engine(*, deterministic: bool = False) -> None:
    """Set what must be set before the first import of TensorFlow, then import it.

    Args:
        deterministic: make every operation give the same bits run after run on the same hardware.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    import keras
    import tensorflow as tf

    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if deterministic:
        # Draws without a seed of their own are an error under determinism; none is left to chance here.
        keras.utils.set_random_seed(0)
        tf.config.experimental.enable_op_determinism()
