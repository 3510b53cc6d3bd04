"""Image folders for tests."""

import numpy as np
from PIL import Image

from cae.config.data import ImageFolderData


def noise(seed, height=8, width=6, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)


def write(folder, names, height=8, width=6):
    """Write a PNG file of its own noise under each name; gives the images by name."""
    images = {}
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images[name] = noise(number, height, width)
        Image.fromarray(images[name]).save(path, format="PNG")
    return images


def numbered(count, prefix=""):
    return [f"{prefix}{number:02}.png" for number in range(count)]


def section(path, **keys):
    return ImageFolderData(source="image_folder", path=str(path), **keys)


def parts_of(splits):
    return [splits.train, splits.validation, splits.test]


def everything(images):
    return images.read(np.arange(len(images)))
