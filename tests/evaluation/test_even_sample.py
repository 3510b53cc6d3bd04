from __future__ import annotations

import numpy as np
import pytest

from cae.evaluation.baselines import EvenSample


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
