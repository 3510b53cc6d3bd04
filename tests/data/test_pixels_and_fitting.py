"""Types, channels and the three fits, held against Pillow and against arithmetic."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from cae.data.pixels import crop, cut_patch, stretch, to_channels, to_float, to_pixels


def noise(height, width, channels, dtype=np.uint8, seed=0):
    generator = np.random.default_rng(seed)
    if dtype == np.uint8:
        return generator.integers(0, 256, (height, width, channels), np.uint8)
    return generator.random((height, width, channels), np.float32)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_every_16_bit_value_is_kept_exactly_in_either_byte_order(dtype):
    values = np.arange(65536, dtype=dtype)
    pixels = to_pixels(values)
    assert pixels.dtype == np.float32
    assert (np.round(pixels.astype(np.float64) * 65535) == np.arange(65536)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_values_become_float32_as_they_are(dtype):
    values = np.array([0.0, 0.25, 1.0], dtype)
    assert to_pixels(values).dtype == np.float32
    assert to_pixels(values).tolist() == [0.0, 0.25, 1.0]


def test_bytes_become_float_by_division_by_255():
    values = np.arange(256, dtype=np.uint8)
    assert np.array_equal(to_float(values), (np.arange(256) / 255).astype(np.float32))


def test_gray_from_rgb_is_what_pillow_makes_of_it_bit_for_bit():
    image = noise(40, 50, 3)
    assert np.array_equal(to_channels(image, 1)[..., 0], np.asarray(Image.fromarray(image).convert("L")))


def test_float_gray_is_the_luma_and_white_stays_within_one():
    image = noise(4, 5, 3, np.float32)
    expected = image.astype(np.float64) @ [0.299, 0.587, 0.114]
    np.testing.assert_allclose(to_channels(image, 1)[..., 0], expected, atol=1e-6)
    assert to_channels(np.ones((1, 1, 3), np.float32), 1).max() <= 1.0


def test_rgb_from_gray_repeats_it_for_whole_batches_too():
    batch = np.stack([noise(3, 4, 1, seed=s) for s in range(2)])
    assert np.array_equal(to_channels(batch, 3), np.concatenate([batch] * 3, axis=-1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("fit", [stretch, crop, cut_patch])
def test_an_image_that_has_the_size_comes_back_unchanged(fit, dtype, channels):
    image = noise(7, 5, channels, dtype)
    assert np.array_equal(fit(image, (7, 5)), image)


@pytest.mark.parametrize("channels", [1, 3])
def test_stretch_of_bytes_is_pillows_bicubic_resize(channels):
    image = noise(31, 17, channels)
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    expected = np.asarray(picture.resize((9, 20), Image.Resampling.BICUBIC)).reshape(20, 9, channels)
    assert np.array_equal(stretch(image, (20, 9)), expected)


def test_shrinking_is_antialiased():
    # Stripes of one pixel; without antialiasing, the small picture would see all of them black or all white.
    stripes = np.zeros((64, 64, 1), np.float32)
    stripes[:, ::2] = 1.0
    inner = stretch(stripes, (16, 16))[:, 2:-2]
    np.testing.assert_allclose(inner, 0.5, atol=0.05)


def test_float_images_stay_in_range_where_bicubic_would_overshoot():
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = 1.0
    resized = stretch(edge, (21, 21))
    assert resized.dtype == np.float32
    assert resized.min() == 0.0
    assert resized.max() == 1.0


def test_float_and_byte_resizing_agree_to_rounding():
    image = noise(20, 30, 3)
    difference = stretch(to_float(image), (11, 13)) * 255 - stretch(image, (11, 13))
    assert np.abs(difference).max() <= 1.01


def test_crop_keeps_proportions_and_the_middle():
    # A picture twice as wide as the target: the outer quarters go.
    image = np.zeros((10, 40, 1), np.uint8)
    image[:, 10:30] = 200
    assert (crop(image, (10, 20)) == 200).all()
    picture = noise(23, 41, 3)
    expected = np.asarray(ImageOps.fit(Image.fromarray(picture), (12, 9), Image.Resampling.BICUBIC))
    assert np.array_equal(crop(picture, (9, 12)), expected)


def test_a_patch_is_cut_from_the_middle_without_scaling():
    image = noise(9, 12, 3)
    assert np.array_equal(cut_patch(image, (3, 4)), image[3:6, 4:8])


def test_patches_reach_every_corner_and_never_leave_the_image():
    image = np.arange(5 * 7, dtype=np.uint8).reshape(5, 7, 1)
    first, last = cut_patch(image, (2, 3), (0.0, 0.0)), cut_patch(image, (2, 3), (np.nextafter(1, 0),) * 2)
    assert np.array_equal(first, image[:2, :3])
    assert np.array_equal(last, image[3:, 4:])
