from __future__ import annotations

import numpy as np

from cae.pictures import LARGEST_ERROR, error_colors, image_colors, scale_colors


def lightness(colors: np.ndarray) -> np.ndarray:
    return colors.astype(float) @ [0.2126, 0.7152, 0.0722]


def test_bytes_are_the_nearest_to_the_pixels():
    levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1) / 255
    np.testing.assert_array_equal(image_colors(levels)[..., 1].ravel(), np.arange(256))


def test_gray_becomes_three_equal_channels_and_colour_is_kept():
    gray, colour = np.full((1, 2, 3, 1), 0.2), np.zeros((1, 2, 3, 3))
    colour[..., 0] = 1.0
    assert (image_colors(gray) == 51).all()
    assert image_colors(gray).shape == (1, 2, 3, 3)
    assert (image_colors(colour) == [255, 0, 0]).all()


def test_pixels_outside_the_range_are_clipped_and_what_is_not_a_number_is_black():
    pixels = np.array([-5.0, 7.0, np.nan, np.inf, -np.inf], np.float32).reshape(1, 1, 5, 1)
    assert image_colors(pixels)[0, 0, :, 0].tolist() == [0, 255, 0, 255, 0]


def test_the_error_is_the_mean_over_channels_on_a_scale_that_no_picture_changes():
    images = np.full((2, 1, 1, 3), 0.5)
    reconstructions = images + np.array([[0.03, -0.06, 0.0], [0.03, 0.03, 0.03]])[:, None, None, :]
    first, second = error_colors(images, reconstructions)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[0, 0], scale_colors(np.array(0.03 / LARGEST_ERROR)))
    # The same error has the same colour beside larger ones.
    with_outlier = np.concatenate([reconstructions, np.zeros((1, 1, 1, 3))])
    np.testing.assert_array_equal(error_colors(np.full((3, 1, 1, 3), 0.5), with_outlier)[0], first)


def test_no_error_is_the_first_colour_and_large_ones_the_last():
    images = np.zeros((1, 1, 4, 1))
    colors = error_colors(images, np.array([0.0, LARGEST_ERROR, 1.0, np.nan]).reshape(1, 1, 4, 1))[0, 0]
    assert colors[0].max() < 10
    np.testing.assert_array_equal(colors[1:], [scale_colors(np.array(1.0))] * 3)


def test_the_error_is_that_of_the_clipped_reconstruction():
    white, beyond = np.ones((1, 1, 1, 1)), np.full((1, 1, 1, 1), 1.7)
    np.testing.assert_array_equal(error_colors(white, beyond), error_colors(white, white))


def test_equal_steps_of_error_get_evenly_lighter():
    steps = np.diff(lightness(scale_colors(np.linspace(0, 1, 9))))
    assert (steps > 5).all()
    assert steps.max() < 4 * steps.min()
