"""Images to measure with: smooth colours with a little grain, so that JPEG has something to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

_COARSE = 6


def make_picture(generator: np.random.Generator, height: int, width: int) -> np.ndarray:
    """One picture, uint8, (height, width, 3)."""
    coarse = generator.integers(0, 256, (_COARSE, _COARSE, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC), np.int16)
    grain = generator.integers(-8, 9, (height, width, 1), np.int16)
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def make_pictures(number: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Pictures in one array, uint8, (number, height, width, 1 or 3)."""
    generator = np.random.default_rng(0)
    height, width, channels = shape
    pictures = np.empty((number, *shape), np.uint8)
    for position in range(number):
        pictures[position] = make_picture(generator, height, width)[..., :channels]
    return pictures


def write_jpegs(folder: Path, number: int, side: int) -> None:
    """Write JPEG files of `side` pixels a side, a thousand to a sub-folder."""
    generator = np.random.default_rng(0)
    for position in range(number):
        target = folder / f"{position // 1000:03d}"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(make_picture(generator, side, side)).save(target / f"{position:06d}.jpg", quality=90)
