"""Reconstruct a picture with an exported Keras file: python serve_keras.py model.keras picture.png reconstruction.png.

The one format that needs cae: its layers must be known to Keras before the file can be loaded.
"""

from __future__ import annotations

import sys

import keras
from pictures import read_picture, save_picture

import cae.layers  # noqa: F401, makes the layers known

file, picture, out = sys.argv[1:]
model = keras.models.load_model(file)
_, height, width, channels = model.input_shape
save_picture(model.predict(read_picture(picture, height, width, channels), verbose=0), out)
