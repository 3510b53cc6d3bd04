"""Reconstruct a picture with an exported ONNX file: python serve_onnx.py model.onnx picture.png reconstruction.png.

Needs numpy, onnxruntime and pillow; neither TensorFlow nor cae.
"""

from __future__ import annotations

import sys

import onnxruntime
from pictures import read_picture, save_picture

model, picture, out = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
(images,) = session.get_inputs()
_, height, width, channels = images.shape
(reconstructions,) = session.run(["reconstructions"], {"images": read_picture(picture, height, width, channels)})
save_picture(reconstructions, out)
