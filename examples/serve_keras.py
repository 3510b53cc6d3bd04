"""Reconstruct a picture with an exported Keras file: python serve_keras.py model.keras picture.png reconstruction.png.

The one format that needs cae: its layers must be known to Keras before the file can be loaded.
"""

from __future__ import annotations

from pictures import read_arguments, read_picture, save_picture

file, picture, out = read_arguments(__doc__)

import keras  # noqa: E402, not before the arguments are right

import cae.layers  # noqa: E402, F401, makes the layers known

model = keras.models.load_model(file)
_, height, width, channels = model.input_shape
save_picture(model.predict(read_picture(picture, height, width, channels), verbose=0), out)
