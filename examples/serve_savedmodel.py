"""Reconstruct a picture with an exported SavedModel: python serve_savedmodel.py folder picture.png reconstruction.png.

Needs numpy, pillow and tensorflow, not cae. TensorFlow Serving takes the same folder as a version of a model.
"""

from __future__ import annotations

from pictures import read_arguments, read_picture, save_picture

folder, picture, out = read_arguments(__doc__)

import tensorflow as tf  # noqa: E402, not before the arguments are right

model = tf.saved_model.load(folder)
signature = model.signatures["serving_default"]
_, height, width, channels = signature.structured_input_signature[1]["images"].shape
images = tf.constant(read_picture(picture, height, width, channels))
save_picture(signature(images=images)["reconstructions"].numpy(), out)
