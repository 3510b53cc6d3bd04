"""Reconstruct a picture with an exported LiteRT file: python serve_litert.py model.tflite picture.png out.png.

Needs ai-edge-litert, numpy and pillow; neither TensorFlow nor cae. On a phone the same file runs with LiteRT's own
libraries.
"""

from __future__ import annotations

from pictures import read_arguments, read_picture, save_picture

model, picture, out = read_arguments(__doc__)

from ai_edge_litert.interpreter import Interpreter  # noqa: E402, not before the arguments are right

runner = Interpreter(model).get_signature_runner()
_, height, width, channels = runner.get_input_details()["images"]["shape"]
save_picture(runner(images=read_picture(picture, height, width, channels))["reconstructions"], out)
