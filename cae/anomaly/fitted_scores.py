"""Scores that know what is normal: errors and codes of an image, held against those of training images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

Values = np.ndarray
"""Scores, (batch,), the higher the less like normal images."""
_SCALES = (0.5, 1.0, 2.0, 4.0)  # sigmas of Gaussians, in pixels
_PATCH = 5
_TOP_SHARE = 0.01
_NEIGHBOURS, _MOST_PLACES = 3, 4096
_AT_ONCE = 1024
# Added to what is divided by, or whose logarithm is taken, as a share of its mean.
_FLOOR = 1e-3


class Seen(NamedTuple):
    """Images of the model's size, and their reconstructions."""

    images: np.ndarray
    """float32 in [0, 1], (batch, height, width, channels)."""
    reconstructions: np.ndarray
    """Of the same shape."""
    codes: np.ndarray
    """(batch, ...), one or three axes for an image."""

    @property
    def residuals(self) -> np.ndarray:
        """Differences, with their signs."""
        return self.images - self.reconstructions

    @property
    def grid_of_codes(self) -> np.ndarray:
        """(batch, down, across, channels); a vector stands at each of 4x4 places."""
        if self.codes.ndim == 4 and math.prod(self.codes.shape[1:3]) > 1:
            return self.codes
        vectors = self.codes.reshape(len(self.codes), 1, 1, -1)
        down, across = (min(4, side) for side in self.images.shape[1:3])
        return np.broadcast_to(vectors, (len(vectors), down, across, vectors.shape[-1]))


Scorer = Callable[[Seen], Values]


def top_share(maps: np.ndarray, share: float = _TOP_SHARE) -> Values:
    """Mean of the largest values of each map, a hundredth of them and at least one.

    >>> top_share(np.arange(200.0).reshape(1, 10, 20)).tolist()
    [198.5]

    Args:
        maps: (batch, height, width).
        share: of the values.
    """
    rows = np.sort(maps.reshape(len(maps), -1), axis=1)
    return rows[:, -max(1, round(share * rows.shape[1])) :].mean(axis=1, dtype=np.float64)


def _smooth(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Blur maps, (batch, height, width, ...), along height and width."""
    from scipy import ndimage

    return ndimage.gaussian_filter(maps, (0, sigma, sigma) + (0,) * (maps.ndim - 3), mode="reflect", truncate=3.0)


def _error_at(seen: Seen, sigma: float) -> np.ndarray:
    """Squares of blurred differences, mean over channels: of a defect as large as the blur little is lost."""
    return np.square(_smooth(seen.residuals, sigma)).mean(axis=-1)


def fit_scales(normal: Seen) -> Scorer:
    """Errors at four scales over what normal images show at that place: the sum of the logarithms of top shares."""
    usual = [_above_zero(_error_at(normal, sigma).mean(axis=0)) for sigma in _SCALES]
    floor = np.finfo(np.float32).tiny

    def score(seen: Seen) -> Values:
        shares = [top_share(_error_at(seen, sigma) / maps) for sigma, maps in zip(_SCALES, usual, strict=True)]
        return np.sum(np.log(np.maximum(shares, floor)), axis=0)

    return score


def fit_place(normal: Seen) -> Scorer:
    """The error over what normal images show at that place: the top share."""
    sigma = min(normal.images.shape[1:3]) / 32

    def local(seen: Seen) -> np.ndarray:
        return _smooth(np.square(seen.residuals).mean(axis=-1), sigma)

    usual = _above_zero(local(normal).mean(axis=0))
    return lambda seen: top_share(local(seen) / usual)


def _above_zero(values: np.ndarray) -> np.ndarray:
    return values + _FLOOR * values.mean() + np.finfo(np.float32).tiny


def fit_whitened(normal: Seen) -> Scorer:
    """How unusual patterns of the error are: Mahalanobis distances of its 5x5 patches, of which the top share is taken.

    Source:
        Reed and Yu 1990, "Adaptive multiple-band CFAR detection of an optical pattern with unknown spectral
        distribution".
    """
    side = min(_PATCH, *normal.images.shape[1:3])
    total, products, count = np.zeros(()), np.zeros(()), 0
    for residual in normal.residuals:
        patches = _patches(residual, side).astype(np.float64)
        total, products, count = total + patches.sum(axis=0), products + patches.T @ patches, count + len(patches)
    mean = total / count
    whiten = _whitener(products / count - np.outer(mean, mean)).astype(np.float32)
    middle = mean.astype(np.float32)

    def score(seen: Seen) -> Values:
        distances = [np.square((_patches(one, side) - middle) @ whiten).mean(axis=1) for one in seen.residuals]
        return np.array([top_share(one[np.newaxis, :, np.newaxis])[0] for one in distances])

    return score


def _patches(image: np.ndarray, side: int) -> np.ndarray:
    """All patches of an image, (places, side * side * channels)."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), (0, 1))
    return windows.reshape(-1, side * side * image.shape[2])


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """The matrix that gives values of this covariance unit variance, those of next to none left small."""
    variances, vectors = np.linalg.eigh(covariance)
    return vectors / np.sqrt(np.maximum(variances, 0) + _FLOOR * max(variances.mean(), np.finfo(np.float32).tiny))


def fit_code_nearest(normal: Seen) -> Scorer:
    """The mean distance of an image's code from the three nearest codes of normal images."""
    return functools.partial(lambda known, seen: _to_nearest(_rows(seen.codes), known), _rows(normal.codes))


def fit_code_mahalanobis(normal: Seen) -> Scorer:
    """The Mahalanobis distance of the code from its mean at each place; the largest of them."""
    grid = normal.grid_of_codes
    mean = grid.mean(axis=0)
    whiten = _whitener(np.cov(_places(grid - mean), rowvar=False).reshape(grid.shape[-1], -1)).astype(np.float32)
    return lambda seen: np.square((seen.grid_of_codes - mean) @ whiten).sum(axis=-1).max(axis=(1, 2)).astype(np.float64)


def fit_place_nearest(normal: Seen) -> Scorer:
    """Codes and errors of each place, held against those of all places of normal images: the farthest place.

    A place is described by its code, its errors at four scales and its contrast, so that an error is judged by what
    normal images show where code and contrast are alike.

    Source:
        Roth et al. 2022, "Towards total recall in industrial anomaly detection" (PatchCore), on features of a network
        that was trained on other images.
    """
    features = _features(normal)
    mean, deviation = features.mean(axis=(0, 1, 2)), features.std(axis=(0, 1, 2)) + 1e-6
    places = _places((features - mean) / deviation)
    chosen = np.random.default_rng(0).permutation(len(places))[:_MOST_PLACES]
    known = places[chosen]

    def score(seen: Seen) -> Values:
        grid = (_features(seen) - mean) / deviation
        return _to_nearest(_places(grid), known).reshape(grid.shape[:3]).max(axis=(1, 2))

    return score


def _features(seen: Seen) -> np.ndarray:
    grid = seen.grid_of_codes
    brightness = seen.images.mean(axis=-1)
    sigma = min(brightness.shape[1:]) / 16
    contrast = np.maximum(_smooth(np.square(brightness), sigma) - np.square(_smooth(brightness, sigma)), 0)
    maps = [np.log(_pool(_error_at(seen, scale), grid.shape[1:3]) + 1e-6) for scale in _SCALES]
    maps.append(np.log(_pool(contrast, grid.shape[1:3]) + 1e-5))
    return np.concatenate([grid, np.stack(maps, axis=-1)], axis=-1)


def _pool(maps: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Means over cells of a grid that covers maps, (batch, height, width)."""
    for axis, cells in enumerate(grid, start=1):
        edges = np.arange(cells + 1) * maps.shape[axis] // cells
        sizes = np.diff(edges).reshape([-1 if one == axis else 1 for one in range(3)])
        maps = np.add.reduceat(maps, edges[:-1], axis=axis) / sizes
    return maps


def _rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), -1)


def _places(grid: np.ndarray) -> np.ndarray:
    return np.reshape(grid, (-1, grid.shape[-1]))


def _to_nearest(rows: np.ndarray, known: np.ndarray) -> Values:
    """Mean distance of each row from the three nearest of those known, or as many as there are."""
    from sklearn.neighbors import NearestNeighbors

    nearest = NearestNeighbors(n_neighbors=min(_NEIGHBOURS, len(known)), algorithm="brute").fit(known)
    parts = [nearest.kneighbors(rows[first : first + _AT_ONCE])[0] for first in range(0, len(rows), _AT_ONCE)]
    return np.concatenate(parts).mean(axis=1, dtype=np.float64)


FITTED: Mapping[str, Callable[[Seen], Scorer]] = {
    "place": fit_place,
    "scales": fit_scales,
    "whitened": fit_whitened,
    "code_nearest": fit_code_nearest,
    "code_mahalanobis": fit_code_mahalanobis,
    "place_nearest": fit_place_nearest,
}
"""Each name to what fits a score to normal images; `combined` has several of them."""

COMBINED = ("whitened", "code_nearest", "code_mahalanobis", "place_nearest")
FITTED_METRICS = (*FITTED, "combined")
LEAST_NORMAL = 8
"""Normal images that a score needs at least."""


def fit_score(metric: str, normal: Seen) -> Scorer:
    """Fit a score to training images; `combined` is calibrated on every fourth, to which its parts are not fitted.

    Args:
        metric: one of `FITTED_METRICS`.
        normal: training images, at least `LEAST_NORMAL`.
    """
    if metric != "combined":
        return FITTED[metric](normal)
    is_held_out = np.arange(len(normal.images)) % 4 == 0
    fitted, held_out = (Seen(*(one[chosen] for one in normal)) for chosen in (~is_held_out, is_held_out))
    return combine([FITTED[name](fitted) for name in COMBINED], held_out)


def combine(scorers: list[Scorer], held_out: Seen) -> Scorer:
    """Add what each score has to say: minus the logarithms of its p-values on normal images (Fisher's method).

    A p-value is the share of normal images with a higher score, by a normal distribution with the mean and the
    deviation of the scores of those held out; so it still tells scores apart that are higher than all of them.

    Source:
        Fisher 1932, "Statistical methods for research workers", section 21.1.
    """
    from scipy import stats

    terms = []
    for scorer in scorers:
        known = scorer(held_out)
        terms.append((scorer, float(known.mean()), float(known.std()) or 1.0))
    return lambda seen: np.sum([-stats.norm.logsf((one(seen) - mean) / std) for one, mean, std in terms], axis=0)
