"""Photographs of surfaces that never were, of mixed sizes, without and with defects whose kind is known.

    python -m docs.anomaly.surfaces FOLDER

writes FOLDER/SURFACE/train/ with normal images and FOLDER/SURFACE/test/ with `good` and a folder for each kind of
defect. Everything is drawn from seeds. Defects are soft, and most of low contrast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage, special

Picture = np.ndarray
"""float64, about 0 to 1, (height, width)."""
Random = np.random.Generator
SIZES = (96, 260)
TRAIN, GOOD, EACH = 300, 100, 40


def _noise(rng: Random, shape: tuple[int, int], sigma: float | tuple[float, float]) -> Picture:
    """Normal noise under a Gaussian, of deviation 1."""
    found = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return np.asarray((found - found.mean()) / (found.std() + 1e-9))


def metal(rng: Random, shape: tuple[int, int]) -> Picture:
    """Ground metal: grain and streaks whose strength differs, uneven light, some with a dark rim."""
    grain = rng.uniform(0.02, 0.06) * _noise(rng, shape, 0.7)
    streaks = rng.uniform(0.0, 0.05) * _noise(rng, shape, (rng.uniform(10, 40), 0.8))
    light = rng.uniform(0.01, 0.06) * _noise(rng, shape, min(shape) / 3)
    image = rng.uniform(0.3, 0.6) + grain + streaks + light
    if rng.random() < 0.4:
        width = rng.integers(3, 12)
        edge = np.clip(np.arange(shape[1]) / width, 0, 1)
        image = image * (0.5 + 0.5 * (edge if rng.random() < 0.5 else edge[::-1]))
    return image


def wood(rng: Random, shape: tuple[int, int]) -> Picture:
    """Boards: bent stripes and fine fibres."""
    across = np.arange(shape[1])[np.newaxis] + 6 * _noise(rng, shape, (50, 12))
    rings = np.sin(2 * np.pi * across / rng.uniform(9, 22) + rng.uniform(0, 6))
    fibres = _noise(rng, shape, (12, 0.6))
    return rng.uniform(0.4, 0.6) + rng.uniform(0.04, 0.1) * rings + 0.04 * fibres


def leather(rng: Random, shape: tuple[int, int]) -> Picture:
    """Grains between dark furrows, of a size that differs."""
    sigma = rng.uniform(2.0, 3.5)
    grains = np.tanh(2 * np.abs(_noise(rng, shape, sigma)))
    light = 0.04 * _noise(rng, shape, min(shape) / 3)
    return rng.uniform(0.25, 0.5) + 0.15 * grains + light + 0.02 * _noise(rng, shape, 0.6)


def cloth(rng: Random, shape: tuple[int, int]) -> Picture:
    """A weave of threads, a little out of line."""
    down, across = np.mgrid[: shape[0], : shape[1]].astype(float)
    period = rng.uniform(6, 9)
    bend = [1.2 * _noise(rng, shape, 15) for _ in range(2)]
    threads = np.sin(2 * np.pi * (down + bend[0]) / period) * np.sin(2 * np.pi * (across + bend[1]) / period)
    return rng.uniform(0.4, 0.6) + 0.12 * threads + 0.04 * _noise(rng, shape, 0.7)


def stone(rng: Random, shape: tuple[int, int]) -> Picture:
    """Speckles of many sizes."""
    speckles = sum(_noise(rng, shape, sigma) for sigma in (0.8, 2, 5, 12))
    return rng.uniform(0.4, 0.6) + rng.uniform(0.03, 0.06) * np.asarray(speckles)


SURFACES: dict[str, Callable[[Random, tuple[int, int]], Picture]] = {
    one.__name__: one for one in (metal, wood, leather, cloth, stone)
}


def _path(rng: Random, shape: tuple[int, int], length: float, bend: float) -> Picture:
    """A walk as a map: 1 where it went."""
    drawn = np.zeros(shape)
    down, across = rng.uniform(0.15, 0.85) * shape[0], rng.uniform(0.15, 0.85) * shape[1]
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(int(2 * length)):
        angle += bend * rng.standard_normal()
        down, across = down + np.sin(angle) / 2, across + np.cos(angle) / 2
        if not (0 <= down < shape[0] and 0 <= across < shape[1]):
            break
        drawn[int(down), int(across)] = 1
    return drawn


def _spot(rng: Random, shape: tuple[int, int], radius: float) -> Picture:
    """A soft blot of irregular outline, from 0 to 1."""
    down, across = np.mgrid[: shape[0], : shape[1]]
    middle = [rng.uniform(0.15, 0.85) * side for side in shape]
    distance = np.hypot(down - middle[0], across - middle[1]) * (1 + 0.2 * _noise(rng, shape, radius / 2 + 1))
    return np.asarray(special.expit(4 * (radius - distance) / max(1.5, radius / 4)))


def scratch(rng: Random, image: Picture) -> Picture:
    """A nearly straight thin line, lighter or darker."""
    line = ndimage.gaussian_filter(_path(rng, image.shape, rng.uniform(0.3, 0.7) * min(image.shape), 0.01), 0.8)
    return image + rng.choice([-1, 1]) * rng.uniform(0.1, 0.25) * line / (line.max() + 1e-9)


def crack(rng: Random, image: Picture) -> Picture:
    """A dark line that wanders."""
    line = ndimage.gaussian_filter(_path(rng, image.shape, rng.uniform(0.3, 0.8) * min(image.shape), 0.25), 0.9)
    return image - rng.uniform(0.12, 0.3) * line / (line.max() + 1e-9)


def hole(rng: Random, image: Picture) -> Picture:
    """One to three small dark holes with a light rim."""
    for _ in range(rng.integers(1, 4)):
        spot = _spot(rng, image.shape, rng.uniform(2, 5))
        image = image - rng.uniform(0.15, 0.3) * spot + 0.05 * (ndimage.gaussian_filter(spot, 2) - spot).clip(0)
    return image


def stain(rng: Random, image: Picture) -> Picture:
    """A large blot, a little lighter or darker."""
    spot = _spot(rng, image.shape, rng.uniform(0.1, 0.22) * min(image.shape))
    return image + rng.choice([-1, 1]) * rng.uniform(0.07, 0.15) * spot


def missing(rng: Random, image: Picture) -> Picture:
    """A piece without its texture: broken off, or worn smooth."""
    spot = _spot(rng, image.shape, rng.uniform(0.08, 0.16) * min(image.shape))
    ground = ndimage.gaussian_filter(image, 6) - rng.uniform(0.0, 0.1)
    return (1 - spot) * image + spot * ground


def uneven(rng: Random, image: Picture) -> Picture:
    """A broad band, lighter or darker, with less of the texture."""
    angle = rng.uniform(0, np.pi)
    down, across = np.mgrid[: image.shape[0], : image.shape[1]] - 0.5 * min(image.shape)
    place = (np.cos(angle) * down + np.sin(angle) * across) / min(image.shape)  # [H, W]
    band = np.exp(-np.square((place - rng.uniform(-0.3, 0.3)) / rng.uniform(0.1, 0.2)))
    ground = ndimage.gaussian_filter(image, 4)
    return image + rng.choice([-1, 1]) * rng.uniform(0.08, 0.16) * band + 0.4 * band * (ground - image)


DEFECTS: dict[str, Callable[[Random, Picture], Picture]] = {
    one.__name__: one for one in (scratch, crack, hole, stain, missing, uneven)
}


def draw(surface: str, defect: str | None, seed: int) -> np.ndarray:
    """Draw an image, uint8, (height, width).

    >>> draw("metal", "scratch", 0).dtype
    dtype('uint8')
    """
    rng = np.random.default_rng([seed, *surface.encode(), *(defect or "").encode()])
    image = SURFACES[surface](rng, (int(rng.integers(*SIZES)), int(rng.integers(*SIZES))))
    if defect is not None:
        image = DEFECTS[defect](rng, image)
    return np.asarray(np.clip(255 * image + rng.normal(0, 1.5, image.shape), 0, 255).astype(np.uint8))


def write(folder: Path) -> None:
    """Write every surface."""
    for surface in SURFACES:
        parts = {"train/good": (None, TRAIN, 0), "test/good": (None, GOOD, TRAIN)}
        parts |= {f"test/{defect}": (defect, EACH, 0) for defect in DEFECTS}
        for part, (defect, number, first) in parts.items():
            (folder / surface / part).mkdir(parents=True, exist_ok=True)
            for seed in range(first, first + number):
                Image.fromarray(draw(surface, defect, seed)).save(folder / surface / part / f"{seed:03}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    write(parser.parse_args().folder)
