"""Principal components of images: the best linear code of a given size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# An eigenvalue below this share of the largest is rounding: the sample does not vary in that direction.
_RANK_TOLERANCE = 1e-12
# Rows or columns that are turned into float64 at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class Pca:
    """A mean image and orthonormal components.

    Args:
        mean: float32, shape (values,).
        components: float32, shape (components, values), largest variance first.
    """

    mean: np.ndarray
    components: np.ndarray

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Project images, shape (batch, ...), onto the components and back: float32, the same shape, not clipped."""
        centred = np.asarray(images, np.float32).reshape(len(images), -1) - self.mean
        return ((centred @ self.components.T) @ self.components + self.mean).reshape(np.shape(images))


def fit_pca(sample: np.ndarray, components: int) -> Pca:
    """Find the components of the sample's largest variances, exactly.

    Time grows with the cube of the smaller of the two sides of `sample`; 3,072 take about ten seconds.

    Example:
        >>> sample = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], np.float32)
        >>> fit_pca(sample, components=2).components.shape  # the sample varies in one direction only
        (1, 2)

    Args:
        sample: float32, shape (images, values); centred in place.
        components: How many at most; there are no more than the sample has directions of variation.

    Returns:
        The mean and the components.

    Source:
        Sirovich (1987), Turbulence and the dynamics of coherent structures, part I ("method of snapshots"), for
        fewer images than values.
    """
    mean = sample.mean(axis=0, dtype=np.float64)
    sample -= mean.astype(np.float32)
    num_images, num_values = sample.shape
    has_more_images = num_images >= num_values
    # The covariance or the images' inner products, whichever is smaller: their eigenvalues are the same.
    products = _products_of_columns(sample) if has_more_images else _products_of_columns(sample.T)
    variances, vectors = np.linalg.eigh(products)
    rank = int(np.count_nonzero(variances > _RANK_TOLERANCE * max(variances[-1], np.finfo(np.float64).tiny)))
    kept = slice(len(variances) - min(components, rank), None)
    vectors = vectors[:, kept][:, ::-1]
    if not has_more_images:
        vectors = sample.T @ (vectors / np.sqrt(variances[kept][::-1])).astype(np.float32)
    return Pca(mean.astype(np.float32), np.ascontiguousarray(vectors.T, np.float32))


def _products_of_columns(matrix: np.ndarray) -> np.ndarray:
    """Compute matrix.T @ matrix in float64 without a float64 copy of the whole matrix."""
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start in range(0, matrix.shape[0], _CHUNK):
        rows = matrix[start : start + _CHUNK].astype(np.float64)
        total += rows.T @ rows
    return total
