from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from cae.config.objective import (
    GaussianCorruption,
    MaskedPatchesCorruption,
    NoCorruption,
    SaltAndPepperCorruption,
)
from cae.training.objective import corrupt

SECTIONS = [
    GaussianCorruption(stddev=0.2),
    SaltAndPepperCorruption(fraction=0.3),
    MaskedPatchesCorruption(fraction=0.4, patch_size=3),
]
KINDS = [section.kind for section in SECTIONS]


def gray(*shape: int) -> np.ndarray:
    return np.full(shape, 0.5, np.float32)


def assert_share(hits: np.ndarray, share: float) -> None:
    """Six standard deviations of the binomial distribution: wrong by chance once in 10^9 seeds."""
    deviation = math.sqrt(share * (1 - share) / hits.size)
    assert abs(hits.mean() - share) < 6 * deviation


@pytest.mark.parametrize("section", SECTIONS, ids=KINDS)
def test_the_same_seed_gives_the_same_noise_and_another_seed_another(section):
    images = np.random.default_rng(0).random((2, 9, 8, 3), np.float32)
    first = corrupt(images, section, (3, 5)).numpy()
    np.testing.assert_array_equal(first, corrupt(images, section, tf.constant([3, 5], tf.int32)))
    assert (first != corrupt(images, section, (3, 6)).numpy()).any()
    assert (first != corrupt(images, section, (4, 5)).numpy()).any()


@pytest.mark.parametrize("section", SECTIONS, ids=KINDS)
def test_each_image_is_corrupted_by_itself(section):
    same = gray(2, 12, 12, 1)
    corrupted = corrupt(same, section, (0, 1)).numpy()
    assert (corrupted[0] != corrupted[1]).any()


@pytest.mark.parametrize("section", [*SECTIONS, NoCorruption()], ids=[*KINDS, "none"])
def test_pixels_stay_in_range_and_shape_and_type_are_kept(section):
    images = np.random.default_rng(1).random((3, 7, 10, 3), np.float32)
    corrupted = corrupt(images, section, (0, 1))
    assert corrupted.dtype == tf.float32
    assert corrupted.shape == images.shape
    assert corrupted.numpy().min() >= 0.0
    assert corrupted.numpy().max() <= 1.0


def test_no_corruption_gives_the_images_back():
    images = np.random.default_rng(2).random((2, 4, 4, 1), np.float32)
    np.testing.assert_array_equal(corrupt(images, NoCorruption(), (0, 1)), images)


@pytest.mark.parametrize("section", SECTIONS, ids=KINDS)
def test_it_compiles_for_any_batch_size_and_the_noise_is_the_same(section):
    signature = [tf.TensorSpec((None, 9, 8, 3)), tf.TensorSpec((2,), tf.int32)]
    compiled = tf.function(lambda images, seed: corrupt(images, section, seed), signature, jit_compile=True)
    for batch in (1, 4):
        images = np.random.default_rng(3).random((batch, 9, 8, 3), np.float32)
        seed = tf.constant([7, 11])
        np.testing.assert_allclose(compiled(images, seed), corrupt(images, section, seed), atol=1e-5)


def test_gaussian_noise_has_the_stated_deviation_in_every_channel():
    images = gray(4, 40, 50, 3)
    noise = corrupt(images, GaussianCorruption(stddev=0.05), (1, 2)).numpy() - 0.5
    count = noise.size
    assert abs(noise.mean()) < 6 * 0.05 / math.sqrt(count)
    # The variance of a normal sample's variance is 2 sigma^4 / n.
    assert abs(noise.var() / 0.05**2 - 1) < 6 * math.sqrt(2 / count)
    channels = noise.reshape(-1, 3).T
    # Channels are independent: a sample correlation has the deviation 1 / sqrt(n).
    assert (abs(np.corrcoef(channels)[np.triu_indices(3, 1)]) < 6 / math.sqrt(channels.shape[1])).all()


def test_gaussian_noise_is_clipped_to_the_pixel_range():
    corrupted = corrupt(gray(2, 40, 40, 1), GaussianCorruption(stddev=10.0), (1, 2)).numpy()
    # A draw is within 0.05 deviations of the mean with chance erf(0.05 / sqrt(2)); the others are clipped.
    assert_share((corrupted > 0.0) & (corrupted < 1.0), math.erf(0.05 / math.sqrt(2)))
    assert_share(corrupted == 0.0, (1 - math.erf(0.05 / math.sqrt(2))) / 2)


@pytest.mark.parametrize("fraction", [0.05, 0.6])
def test_salt_and_pepper_sets_the_stated_share_half_black_half_white(fraction):
    corrupted = corrupt(gray(5, 40, 30, 1), SaltAndPepperCorruption(fraction=fraction), (1, 2)).numpy()
    assert_share(corrupted == 0.0, fraction / 2)
    assert_share(corrupted == 1.0, fraction / 2)
    assert_share(corrupted == 0.5, 1 - fraction)


def test_salt_and_pepper_sets_all_channels_of_a_pixel():
    corrupted = corrupt(gray(2, 20, 20, 3), SaltAndPepperCorruption(fraction=0.5), (1, 2)).numpy()
    assert len(np.unique(corrupted)) == 3
    np.testing.assert_array_equal(corrupted, np.repeat(corrupted[..., :1], 3, axis=-1))


@pytest.mark.parametrize(("height", "width", "patch_size"), [(12, 12, 4), (10, 13, 4), (7, 9, 7), (5, 6, 1)])
def test_masked_patches_are_whole_squares_of_a_grid_from_the_top_left(height, width, patch_size):
    section = MaskedPatchesCorruption(fraction=0.5, patch_size=patch_size)
    corrupted = corrupt(gray(64, height, width, 3), section, (1, 2)).numpy()
    rows, columns = range(0, height, patch_size), range(0, width, patch_size)
    masked = []
    for top in rows:
        for left in columns:
            patch = corrupted[:, top : top + patch_size, left : left + patch_size].reshape(64, -1)
            assert (patch == patch[:, :1]).all()
            masked.append(patch[:, 0] == 0.0)
    # Every patch falls by its own draw, the cut ones too.
    for patch in masked:
        assert_share(patch, 0.5)
    assert len({patch.tobytes() for patch in masked}) == len(masked)
    assert_share(np.stack(masked), 0.5)


def test_masked_patches_leave_the_other_pixels_as_they_were():
    images = np.random.default_rng(4).random((8, 12, 12, 1), np.float32) + 0.1
    corrupted = corrupt(images, MaskedPatchesCorruption(fraction=0.3, patch_size=5), (1, 2)).numpy()
    kept = corrupted != 0.0
    np.testing.assert_array_equal(corrupted[kept], images[kept])
