"""What every example here needs: its arguments, a picture as the model takes it, and the answer as a picture."""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image


def read_arguments(description: str) -> tuple[str, str, str]:
    """Read the three paths from the command line: the model, a picture, and where its reconstruction goes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "picture", "out"):
        parser.add_argument(name)
    options = parser.parse_args()
    return options.model, options.picture, options.out


def read_picture(path: str, height: int, width: int, channels: int) -> np.ndarray:
    """Read a picture as a batch of one: (1, height, width, channels), float32 in [0, 1]."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB").resize((width, height)), np.float32)
    return pixels.reshape(1, height, width, channels) / 255


def save_picture(reconstructions: np.ndarray, path: str) -> None:
    """Save the first of a batch of reconstructions."""
    pixels = np.round(255 * np.clip(reconstructions[0], 0, 1)).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(path)
