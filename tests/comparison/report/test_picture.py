"""The comparison's picture: what stands where, and how large it gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cae.comparison.report import comparison_picture
from tests.comparison.example import make_example

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
LARGEST_ERROR = (252, 255, 164)


def box(picture, color):
    """Rectangle that a colour fills: top, left, bottom, right."""
    places = np.argwhere((picture == color).all(axis=-1))
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
    assert len(places) == (bottom - top) * (right - left)
    return top, left, bottom, right


def test_columns_are_the_input_and_the_decoders_with_their_error_maps_below():
    comparison, exhibits = make_example(2, image_shape=(20, 30, 3), images_per_block=1)
    labels = [contender.label for contender in comparison.contenders]

    def plain(color):
        return np.broadcast_to(np.array(color, np.float32), (1, 20, 30, 3))

    exhibits = replace(
        exhibits,
        blocks={"best": ("one.png",), "worst": ()},
        images={"best": plain(RED), "worst": plain(RED)[:0]},
        reconstructions={"best": {labels[1]: plain(BLUE), labels[0]: plain(GREEN)}, "worst": {}},
        psnr={"best": dict.fromkeys(labels, np.array([1.8])), "worst": {}},
    )
    picture = comparison_picture(comparison, exhibits)
    red, green, blue = (box(picture, np.multiply(color, 255)) for color in (RED, GREEN, BLUE))
    assert red[0] == green[0] == blue[0]
    assert red[3] < green[1]
    assert green[3] < blue[1]
    assert (red[2] - red[0], red[3] - red[1]) == (60, 90)  # enlarged by a whole number
    for one in (green, blue):
        assert picture[one[2] + 30, (one[1] + one[3]) // 2].tolist() == list(LARGEST_ERROR)
    assert picture.dtype == np.uint8


@pytest.mark.parametrize(("shape", "num_contenders"), [((300, 500, 3), 10), ((28, 28, 1), 12), ((700, 40, 1), 3)])
def test_pictures_stay_of_a_width_that_can_be_looked_at(shape, num_contenders):
    comparison, exhibits = make_example(num_contenders, 1, image_shape=shape, images_per_block=1)
    height, width, _ = comparison_picture(comparison, exhibits).shape
    assert 100 * (num_contenders + 1) <= width <= 2100
    assert height < 4000


def test_a_picture_of_nothing_is_refused():
    comparison, exhibits = make_example(2, images_per_block=1)
    nothing = {block: images[:0] for block, images in exhibits.images.items()}
    with pytest.raises(ValueError, match="at least one image"):
        comparison_picture(comparison, replace(exhibits, images=nothing))
