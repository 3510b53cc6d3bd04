"""Reconstruct a picture with an exported ONNX file: python serve_onnx.py model.onnx picture.png reconstruction.png.

Needs numpy, onnxruntime and pillow; neither TensorFlow nor cae.
"""

from __future__ import annotations

from pictures import read_arguments, read_picture, save_picture

model, picture, out = read_arguments(__doc__)

import onnxruntime  # noqa: E402, not before the arguments are right

session = onnxruntime.InferenceSession(model)
(images,) = session.get_inputs()
_, height, width, channels = images.shape
(reconstructions,) = session.run(["reconstructions"], {"images": read_picture(picture, height, width, channels)})
save_picture(reconstructions, out)
