"""What training writes for the tab."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tensorboard.util import tensor_util

from cae.runs.probe_images import Probes, encode_sheet, inputs_summary, sheet_columns


@pytest.mark.parametrize("shape", [(1, 5, 3, 1), (7, 4, 6, 3), (16, 3, 3, 1)])
def test_every_image_stands_whole_in_its_place_of_the_sheet(shape):
    images = np.random.default_rng(0).integers(0, 256, shape) / 255.0
    number, height, width, channels = shape
    sheet = np.array(Image.open(io.BytesIO(encode_sheet(images)))).reshape(-1, sheet_columns(number) * width, channels)
    for image in range(number):
        top, left = image // sheet_columns(number) * height, image % sheet_columns(number) * width
        assert (sheet[top : top + height, left : left + width] == np.round(255 * images[image])).all()


def digest(*arguments):
    return Probes.from_json(inputs_summary(*arguments).value[0].metadata.plugin_data.content).digest


def test_runs_are_told_apart_by_pixels_names_and_what_was_done_to_inputs():
    images = np.full((2, 4, 4, 1), 0.5)
    others = images + 0.01
    names = ["a.png", "b.png"]
    assert digest(images, names) == digest(images.copy(), list(names))
    alike = [
        digest(images, names),
        digest(others, names),
        digest(images, ["a.png", "c.png"]),
        digest(images, names, others, "gaussian"),
        # As many pixels in another shape.
        digest(images.reshape(2, 2, 8, 1), names),
    ]
    assert len(set(alike)) == len(alike)


def test_names_that_are_no_text_are_made_fit_for_it():
    names = ["caf\udce9.png", "new\nline.png"]
    content = inputs_summary(np.zeros((2, 4, 4, 1)), names).value[0].metadata.plugin_data.content
    assert Probes.from_json(content).names == ("caf\\udce9.png", "new\\nline.png")


def test_corrupted_inputs_come_second():
    images, corrupted = np.zeros((1, 4, 4, 1)), np.ones((1, 4, 4, 1))
    blobs = tensor_util.make_ndarray(inputs_summary(images, ["a"], corrupted, "gaussian").value[0].tensor)
    assert [np.array(Image.open(io.BytesIO(blob))).max() for blob in blobs] == [0, 255]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"digest": "a"}', b"\xff"])
def test_other_content_is_no_description(content):
    with pytest.raises(ValueError, match=r"."):
        Probes.from_json(content)
