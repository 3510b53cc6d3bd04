"""Memory while reading folders and shards does not grow with the number of their images."""

import os

import pytest
from PIL import Image

from cae.config.data import ImageFolderData, TfrecordData
from cae.data.preparing import prepare
from tests.conftest import make_images, run_process

PROGRAM = """
import numpy as np
from cae.config.data import Augmentation, ImageFolderData, TfrecordData
from cae.data.load import load_splits
from cae.runs.read_back import peak_memory_bytes
images = load_splits({section}).train
for first in range(0, len(images), 32):
    images.read(np.arange(first, min(first + 32, len(images))))
print(len(images), images.read(np.arange(1)).nbytes, peak_memory_bytes())
"""


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
@pytest.mark.parametrize("way", ["folder", "folder with a cache on disk", "shards"])
def test_reading_takes_no_more_memory_for_ten_times_the_images(tmp_path, way):
    (pixels,) = make_images(1, 128, 128, 3)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    peaks = []
    for number in (150, 1500):
        folder = tmp_path / str(number)
        folder.mkdir()
        for copy in range(number):
            os.link(tmp_path / "picture.png", folder / f"{copy}.png")
        section = ImageFolderData(path=str(folder), cache="disk" if "cache" in way else "none")
        if way == "shards":
            shards = tmp_path / f"{number} in shards"
            shards.mkdir()
            prepare(section, None, shards, 10**6)
            section = TfrecordData(path=str(shards))
        code, out, err = run_process("-c", PROGRAM.format(section=repr(section)))
        assert code == 0, err
        images, image_bytes, peak = map(int, out.split())
        peaks.append((images * image_bytes, peak))
    (few, first), (many, second) = peaks
    assert many - few > 50_000_000, "too few images for the difference to show"
    assert second - first < 0.1 * (many - few)
