"""PNG files with 16 bits in each of several channels, which Pillow would cut down to 8 bits."""

from __future__ import annotations

import numpy as np


def decode_deep_png(content: bytes) -> np.ndarray:
    """Decode a PNG file at its full depth with TensorFlow's decoder, loaded when the first such file is met.

    Args:
        content: The whole file.

    Returns:
        (height, width, channels) as uint16: gray, gray and alpha, RGB, or RGBA.

    Raises:
        ValueError: The file is damaged.
    """
    import tensorflow as tf

    try:
        with tf.device("CPU"):
            return tf.io.decode_png(content, dtype=tf.uint16).numpy()
    except tf.errors.InvalidArgumentError as error:
        raise ValueError("the PNG data are damaged") from error


def encode_deep_png(pixels: np.ndarray) -> bytes:
    """Encode pixels as a PNG file with 16 bits a channel.

    Args:
        pixels: (height, width, 1 or 3), float32 in [0, 1].
    """
    import tensorflow as tf

    with tf.device("CPU"):
        return tf.io.encode_png(np.round(pixels * 65535.0).astype(np.uint16)).numpy()
