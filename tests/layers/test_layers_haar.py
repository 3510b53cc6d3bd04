"""The Haar wavelet against its definition: Kronecker products of sums and differences, inverse and energy."""

import numpy as np
import pytest

from cae.layers import HaarTransform2D, InverseHaarTransform2D


@pytest.mark.parametrize("size", [(4, 6), (5, 6), (4, 7), (3, 3), (1, 1)])
def test_bands_are_products_of_sums_and_differences_and_lead_back(size):
    maps = np.random.default_rng(0).normal(size=(2, *size, 3)).astype(np.float32)
    even = np.pad(maps, [(0, 0), (0, size[0] % 2), (0, size[1] % 2), (0, 0)], mode="edge")
    half = np.array([[1, 1], [1, -1]]) / np.sqrt(2)
    rows = np.kron(np.eye(even.shape[1] // 2), half)
    columns = np.kron(np.eye(even.shape[2] // 2), half)
    both = np.einsum("ay,nyxc,bx->nabc", rows, even, columns)
    expected = np.concatenate([both[:, i::2, j::2] for i in (0, 1) for j in (0, 1)], axis=-1)
    bands = HaarTransform2D()(maps)
    np.testing.assert_allclose(bands, expected, atol=1e-5)
    np.testing.assert_allclose(np.square(bands).sum(), np.square(even).sum(), rtol=1e-5)
    np.testing.assert_allclose(InverseHaarTransform2D(size)(bands), maps, atol=1e-5)
