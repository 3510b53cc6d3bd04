from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.decomposition import PCA

from cae.measures import linear_codes
from cae.measures.linear_codes import EvenSample, fit_block_klt, fit_image_pca, from_blocks, to_blocks


@pytest.mark.parametrize("batch_size", [1, 3, 64, 1000])
@pytest.mark.parametrize("length", [1, 9, 10, 11, 100, 997])
def test_the_sample_is_evenly_spread_and_bounded(length, batch_size):
    sample = EvenSample(most=10)
    images = np.arange(length, dtype=np.float32).reshape(length, 1, 1, 1)
    for start in range(0, length, batch_size):
        sample.add(images[start : start + batch_size])
    positions = sample.rows()[:, 0]
    assert min(length, 5) <= len(positions) <= 10
    stride = np.diff(positions)
    assert positions[0] == 0
    assert len(set(stride)) <= 1
    if length <= 10:
        assert len(positions) == length
    else:
        assert positions[-1] + stride[0] >= length


def test_images_become_rows():
    sample = EvenSample(most=4)
    images = np.random.default_rng(0).random((3, 2, 5, 3), np.float32)
    sample.add(images)
    np.testing.assert_array_equal(sample.rows(), images.reshape(3, 30))


def test_the_sample_does_not_change_with_the_stream_s_buffer():
    sample, buffer = EvenSample(most=4), np.ones((2, 2), np.float32)
    sample.add(buffer)
    buffer[:] = 0
    assert (sample.rows() == 1).all()


def pictures(count: int, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, *shape), np.float32)


def halves(images: np.ndarray) -> list[np.ndarray]:
    return [images[: len(images) // 2], images[len(images) // 2 :]]


@pytest.mark.parametrize(("size", "block"), [((8, 12), (4, 3)), ((7, 9), (4, 4)), ((5, 5), (5, 5)), ((3, 4), (1, 1))])
def test_blocks_put_together_again_are_the_image(size, block):
    images = pictures(3, (*size, 2))
    blocks = to_blocks(images, block)
    assert blocks.shape == (3, -(-size[0] // block[0]), -(-size[1] // block[1]), block[0] * block[1] * 2)
    np.testing.assert_array_equal(from_blocks(blocks, block, size), images)


def test_blocks_have_the_order_of_space_to_depth():
    images = pictures(2, (6, 9, 2))
    expected = tf.nn.space_to_depth(images, 3).numpy()
    np.testing.assert_array_equal(to_blocks(images, (3, 3)), expected)


@pytest.mark.parametrize("channels", [1, 4, 11])
def test_block_klt_is_what_scikit_learn_s_pca_makes_of_the_blocks(channels):
    images = pictures(40, (8, 12, 1))
    klt = fit_block_klt(halves(images), (4, 3), channels)
    blocks = images.reshape(40, 2, 4, 4, 3).swapaxes(2, 3).reshape(-1, 12)
    oracle = PCA(channels).fit(blocks)
    expected = oracle.inverse_transform(oracle.transform(blocks))
    found = to_blocks(klt.reconstruct(images), (4, 3)).reshape(-1, 12)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    assert klt.encode(images).shape == (40, 2, 4, channels)


def test_block_klt_of_one_block_is_pca_of_the_image():
    images = pictures(30, (5, 4, 3))
    klt, pca = fit_block_klt([images], (5, 4), 7), fit_image_pca(halves(images), 7)
    np.testing.assert_allclose(klt.reconstruct(images), pca.reconstruct(images), atol=1e-5)


def test_blocks_of_few_directions_are_exact_with_as_many_channels():
    rng = np.random.default_rng(1)
    blocks = rng.standard_normal((20, 3, 2, 5)) @ rng.standard_normal((5, 4 * 4 * 3))
    images = from_blocks(blocks.astype(np.float32), (4, 4), (12, 8))
    klt = fit_block_klt([images], (4, 4), 9)
    assert klt.components.shape == (5, 48)
    np.testing.assert_allclose(klt.reconstruct(images), images, atol=1e-4)


def test_a_block_of_more_values_than_can_be_decomposed_is_fitted_on_fewer_blocks(monkeypatch):
    monkeypatch.setattr(linear_codes, "_LARGEST_SIDE", 20)
    images = pictures(64, (8, 4, 1))
    klt = fit_block_klt([images], (8, 4), 40)
    assert len(klt.components) <= 19  # of 20 centred blocks
    assert fit_image_pca([images], 40).components.shape[0] <= 19


@pytest.mark.parametrize("batches", [[], [np.zeros((0, 4, 4, 1), np.float32)]])
def test_a_fit_without_an_image_is_an_error(batches):
    for fit in (lambda: fit_image_pca(batches, 2), lambda: fit_block_klt(batches, (2, 2), 2)):
        with pytest.raises(ValueError, match="`batches` must give at least one image"):
            fit()
