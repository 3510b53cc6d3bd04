"""Anomaly scores without a network: distances of small copies of images from the training images."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from cae.data.pixels import stretch, to_float
from cae.measures.linear_codes import EvenSample, fit_pca

TITLES = {"pca_error": "PCA error in pixels", "nearest_neighbour": "nearest neighbour in pixels"}
"""The baselines, by the names that results have for them."""

MOST_IMAGES = 4096
"""Of training, that are known."""
_LARGEST_SIDE, _MOST_COMPONENTS = 64, 128


class PixelBaselines:
    """Two scores that any model should be above: the higher, the less an image is like those of training.

    Images are looked at as copies of at most 64 pixels a side. `pca_error` is the mean squared error of a projection
    onto the training images' principal components, at most 128 and a quarter of the values of a copy;
    `nearest_neighbour` the mean squared difference from the training image that is most alike. Both know an even sample
    of at most 4,096 training images.

    Example:
        >>> training = np.random.default_rng(0).random((50, 8, 8, 1), np.float32) / 4
        >>> baselines = PixelBaselines([training], size=(8, 8))
        >>> baselines.score(training[:1])["nearest_neighbour"].tolist()
        [0.0]

    Args:
        training: batches of training images, (batch, height, width, channels), uint8 or in [0, 1], of any sizes.
        size: the model's height and width.

    Raises:
        ValueError: there is no image.
    """

    def __init__(self, training: Iterable[np.ndarray], size: tuple[int, int]) -> None:
        self._size = min(size[0], _LARGEST_SIDE), min(size[1], _LARGEST_SIDE)
        sample = EvenSample(MOST_IMAGES)
        images = 0
        for batch in training:
            sample.add(self._shrink(batch))
            images += len(batch)
        if not images:
            raise ValueError("`training` must give at least one image. Received: none.")
        self._known = sample.rows()
        self._pca = fit_pca(self._known.copy(), min(_MOST_COMPONENTS, max(1, self._known.shape[1] // 4)))

    def score(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """Score images, (batch, height, width, channels), uint8 or in [0, 1]: each name to float64, (batch,)."""
        rows = self._shrink(images)
        errors = np.square(rows - self._pca.reconstruct(rows)).mean(axis=1, dtype=np.float64)
        return {"pca_error": errors, "nearest_neighbour": self._distances(rows)}

    def _distances(self, rows: np.ndarray) -> np.ndarray:
        products = rows @ self._known.T  # [N, known]
        squares = np.square(self._known).sum(axis=1) - 2 * products
        # The formula of products rounds: it finds the nearest, and the difference itself is exact.
        nearest = self._known[squares.argmin(axis=1)]
        return np.square(rows - nearest).mean(axis=1, dtype=np.float64)

    def _shrink(self, images: np.ndarray) -> np.ndarray:
        copies = [image if image.shape[:2] == self._size else stretch(image, self._size) for image in images]
        return to_float(np.stack(copies)).reshape(len(images), math.prod(self._size) * images.shape[3])
