"""Depth to space, and the start that makes a sub-pixel convolution free of checkerboards."""

from __future__ import annotations

import keras
import layer_oracles as oracles
import numpy as np
import pytest
import tensorflow as tf

from cae.layers import (
    DepthToSpace2D,
    DuplicateToSpace2D,
    ICNRInitializer,
    Resize2D,
    SpaceToChannelMean2D,
    SpaceToDepth2D,
)


def depth_to_space(images: np.ndarray, factor: int) -> np.ndarray:
    batch, height, width, depth = images.shape
    channels = depth // factor**2
    result = np.zeros((batch, height * factor, width * factor, channels), images.dtype)
    for row in range(height * factor):
        for column in range(width * factor):
            first = (row % factor * factor + column % factor) * channels
            result[:, row, column] = images[:, row // factor, column // factor, first : first + channels]
    return result


@pytest.mark.parametrize(
    ("factor", "size", "output_size"),
    [(2, (3, 4), None), (2, (3, 4), (5, 7)), (3, (2, 5), (4, 13)), (4, (3, 1), (9, 1))],
)
def test_channels_become_squares_of_pixels(
    factor: int, size: tuple[int, int], output_size: tuple[int, int] | None
) -> None:
    images = oracles.scrambled((2, *size, 3 * factor**2), seed=factor)
    full = depth_to_space(images, factor)
    expected = full if output_size is None else oracles.middle(full, output_size)
    np.testing.assert_array_equal(DepthToSpace2D(factor, output_size)(images), expected)


@pytest.mark.parametrize(("factor", "size"), [(2, (4, 6)), (2, (5, 4)), (3, (1, 7)), (4, (9, 3))])
def test_squares_from_the_top_left_become_channels_and_pixels_again(factor: int, size: tuple[int, int]) -> None:
    images = oracles.scrambled((2, *size, 3), seed=factor)
    down, across = (-(-side // factor) for side in size)
    squares = np.zeros((2, down, across, factor**2 * 3), images.dtype)
    for row in range(down * factor):
        for column in range(across * factor):
            first = (row % factor * factor + column % factor) * 3
            pixel = images[:, min(row, size[0] - 1), min(column, size[1] - 1)]
            squares[:, row // factor, column // factor, first : first + 3] = pixel
    np.testing.assert_array_equal(SpaceToDepth2D(factor)(images), squares)
    np.testing.assert_array_equal(DepthToSpace2D(factor, size, crops_end=True)(squares), images)


def test_shortcuts_are_means_of_a_channels_pixels_and_their_repetition() -> None:
    """As many channels as groups of factor^2: a mean over each square, and a repetition of each pixel."""
    images = oracles.scrambled((2, 4, 6, 3), seed=1).astype("float32")
    means = images.reshape(2, 2, 2, 3, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(SpaceToChannelMean2D(2, 3)(images), means, rtol=1e-6)
    repeated = images.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(DuplicateToSpace2D(2, 3)(images), repeated)
    np.testing.assert_array_equal(DuplicateToSpace2D(2, 3, (7, 11))(images), repeated[:, :7, :11])


def test_shortcuts_keep_pixels_of_one_channel_together() -> None:
    images = oracles.scrambled((1, 2, 4, 2), seed=2).astype("float32")
    # 8 values of a square make 4 channels: pairs of the first channel's pixels, then of the second's, row by row.
    pairs = images.reshape(2, 2, 2, 2).mean(axis=2)  # [row, square, channel]
    expected = pairs.transpose(1, 2, 0).reshape(1, 1, 2, 4)
    np.testing.assert_allclose(SpaceToChannelMean2D(2, 4)(images), expected, rtol=1e-6)
    # Each square has the first channel above and the second below.
    expected = images[0].transpose(0, 2, 1).reshape(4, 4).repeat(2, axis=1)
    np.testing.assert_array_equal(DuplicateToSpace2D(2, 1)(images)[0, :, :, 0], expected)


def test_channels_that_make_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match=r"channels must be a multiple of factor\^2 = 9"):
        DepthToSpace2D(3)(np.zeros((1, 2, 2, 12), "float32"))
    with pytest.raises(ValueError, match=r"channels must be a multiple of factor\^2 = 9"):
        DepthToSpace2D(3)(keras.Input((2, 2, 12)))


@pytest.mark.parametrize(("factor", "output_size"), [(2, (9, 12)), (3, (13, 16))])
def test_an_untrained_subpixel_convolution_is_a_nearest_resize_of_a_convolution(
    factor: int, output_size: tuple[int, int]
) -> None:
    images = np.random.default_rng(1).normal(size=(2, 5, 6, 3)).astype("float32")
    initializer = ICNRInitializer(factor, keras.initializers.HeNormal(seed=2))
    convolution = keras.layers.Conv2D(4 * factor**2, 3, padding="same", kernel_initializer=initializer)
    small = keras.layers.Conv2D(4, 3, padding="same", kernel_initializer=keras.initializers.HeNormal(seed=2))
    subpixel = DepthToSpace2D(factor, output_size)(convolution(images))
    resized = Resize2D(factor, output_size=output_size)(small(images))
    assert np.std(resized) > 0.1
    np.testing.assert_allclose(subpixel, resized, atol=1e-5)


def test_the_start_keeps_the_variance_of_the_smaller_kernel() -> None:
    kernel = np.array(ICNRInitializer(2, keras.initializers.RandomNormal(stddev=0.5, seed=3))((3, 3, 16, 64)))
    assert kernel.std() == pytest.approx(0.5, rel=0.05)
    assert len(np.unique(kernel)) == 3 * 3 * 16 * 16


def test_the_start_has_the_asked_type() -> None:
    assert tf.as_dtype(ICNRInitializer(2)((1, 1, 2, 4), dtype="float16").dtype) == tf.float16


def test_filters_that_make_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match=r"filters must be a multiple of factor\^2 = 4"):
        ICNRInitializer(2)((3, 3, 8, 6))
