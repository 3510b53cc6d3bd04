from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cae.pictures import best_median_worst, reconstruction_grid, save_png

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def plain(color: tuple[int, int, int], count: int = 1, size: tuple[int, int] = (28, 28)) -> np.ndarray:
    return np.broadcast_to(np.array(color, np.float32) / 255, (count, *size, 3))


def where(picture: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of a colour: neither text nor background nor the error scale has it."""
    return np.argwhere((picture == color).all(axis=-1))


def box(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    places = where(picture, color)
    (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
    assert len(places) == (bottom - top) * (right - left), "the colour fills a rectangle"
    return top, left, bottom, right


def test_rows_are_input_corrupted_reconstruction_and_error_in_one_column():
    picture = reconstruction_grid(plain(RED), plain(GREEN), corrupted=plain(BLUE))
    red, blue, green = (box(picture, color) for color in (RED, BLUE, GREEN))
    assert red[2] < blue[0] < blue[2] < green[0]
    assert red[1::2] == blue[1::2] == green[1::2]
    below = picture[green[2] + 4 + 42, (green[1] + green[3]) // 2]
    assert below.tolist() == [252, 255, 164]  # an error of 2/3 has the last colour
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_small_images_are_enlarged_without_smoothing():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (1, 28, 28, 3))
    image[..., 0] = 255 * (image[..., 0] > 127)
    image[0, [0, -1], [0, -1]] = RED  # corners
    picture = reconstruction_grid(image / 255, image / 255)
    enlarged = np.repeat(np.repeat(image[0], 3, axis=0), 3, axis=1)
    found = [
        (top, left)
        for top, left in where(picture[:-83, :-83], RED)
        if (picture[top : top + 84, left : left + 84] == enlarged).all()
    ]
    assert len(found) == 2  # input and reconstruction


@pytest.mark.parametrize(
    ("size", "cell"),
    [((28, 28), (84, 84)), ((10, 40), (20, 80)), ((3, 5), (57, 95)), ((1, 1), (96, 96)), ((64, 61), (64, 61))],
)
def test_images_are_enlarged_by_a_whole_number(size, cell):
    top, left, bottom, right = box(reconstruction_grid(plain(RED, size=size), plain(GREEN, size=size)), RED)
    assert (bottom - top, right - left) == cell


@pytest.mark.parametrize(("size", "count"), [((300, 450), 8), ((1500, 40), 3), ((60, 2500), 2), ((33, 29), 17)])
def test_pictures_of_large_images_stay_about_2000_pixels_wide(size, count):
    picture = reconstruction_grid(plain(RED, count, size), plain(GREEN, count, size))
    assert 200 < picture.shape[1] <= 2000
    top, left, bottom, right = box(reconstruction_grid(plain(RED, 1, size), plain(GREEN, 1, size)), RED)
    assert (bottom - top) / (right - left) == pytest.approx(size[0] / size[1], rel=0.15)


def test_more_images_than_columns_go_on_below():
    images = np.concatenate([plain(RED, 4), plain(BLUE, 1)])
    picture = reconstruction_grid(images, np.zeros_like(images), max_columns=4)
    reds, blue = where(picture, RED), box(picture, BLUE)
    assert len(reds) == 4 * 84 * 84
    assert blue[0] > reds[:, 0].max()
    assert blue[1] == reds[:, 1].min()


def test_labels_stand_below_their_images_and_change_nothing_else():
    images = plain(RED, 2)
    bare, labelled = reconstruction_grid(images, images), reconstruction_grid(images, images, labels=["9.9 dB", ""])
    assert labelled.shape[0] > bare.shape[0]
    bottom = bare.shape[0] - 40
    np.testing.assert_array_equal(labelled[:bottom], bare[:bottom])
    middle = bare.shape[1] // 2 + 48  # between the columns
    lines = labelled[3 * 88 + 8 : 3 * 88 + 22]
    assert (lines[:, 100:middle] != 238).any()
    assert (lines[:, middle:] == 238).all()


def test_gray_images_and_colour_images_are_both_drawn():
    gray = np.full((1, 28, 28, 1), 0.6)
    picture = reconstruction_grid(gray, gray)
    assert len(where(picture, (153, 153, 153))) >= 2 * 84 * 84


def test_pictures_are_the_same_every_time():
    images = np.random.default_rng(0).random((3, 9, 11, 1))
    np.testing.assert_array_equal(reconstruction_grid(images, 1 - images), reconstruction_grid(images, 1 - images))


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"reconstructions": np.zeros((2, 4, 4, 3))}, "same shape"),
        ({"corrupted": np.zeros((2, 4, 5, 1))}, "same shape"),
        ({"labels": ["one"]}, "Received: 1 for 2 images"),
        ({"images": np.zeros((0, 4, 4, 1)), "reconstructions": np.zeros((0, 4, 4, 1))}, "at least one image"),
        ({"images": np.zeros((2, 4, 4, 2)), "reconstructions": np.zeros((2, 4, 4, 2))}, "1 or 3"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, what):
    fitting = {"images": np.zeros((2, 4, 4, 1)), "reconstructions": np.zeros((2, 4, 4, 1))}
    with pytest.raises(ValueError, match=what):
        reconstruction_grid(**{**fitting, **arguments})


def test_the_evaluation_picture_has_its_blocks_in_order():
    blocks = {
        heading: (plain(color, count), plain((9, 9, 9), count), np.full(count, 20.0))
        for heading, color, count in [("best", RED, 2), ("median", GREEN, 3), ("worst", BLUE, 1)]
    }
    picture = best_median_worst(blocks)
    rows = [where(picture, color)[:, 0] for color in (RED, GREEN, BLUE)]
    assert [len(places) for places in rows] == [2 * 84 * 84, 3 * 84 * 84, 84 * 84]
    assert rows[0].max() < rows[1].min()
    assert rows[1].max() < rows[2].min()
    assert len({where(picture, color)[:, 1].min() for color in (RED, GREEN, BLUE)}) == 1


def test_blocks_without_images_are_left_out_but_one_must_have_some():
    none = (np.zeros((0, 8, 8, 1)), np.zeros((0, 8, 8, 1)), np.zeros(0))
    some = (np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 1)), np.array([100.0]))
    np.testing.assert_array_equal(best_median_worst({"best": some, "median": none}), best_median_worst({"best": some}))
    with pytest.raises(ValueError, match="at least one image"):
        best_median_worst({"best": none})


def test_each_image_needs_its_psnr():
    images = np.zeros((2, 8, 8, 1))
    with pytest.raises(ValueError, match="PSNR for each image"):
        best_median_worst({"best": (images, images, np.zeros(3))})


def test_saved_pictures_read_back_pixel_for_pixel(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (20, 31, 3), np.uint8)
    for _ in range(2):  # new, then in the place of the old
        save_png(picture, tmp_path / "picture.png")
        with Image.open(tmp_path / "picture.png") as image:
            np.testing.assert_array_equal(np.asarray(image), picture)
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path):
    picture = np.zeros((4, 4, 3), np.uint8)
    save_png(picture, tmp_path / "picture.png")
    before = (tmp_path / "picture.png").read_bytes()
    with pytest.raises(TypeError):
        save_png(np.zeros((4, 4, 7)), tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]
