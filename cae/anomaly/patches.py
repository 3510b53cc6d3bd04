"""Patches of images and of errors: how unusual each is, by linear algebra."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PATCH = 5
"""Pixels of a side."""
FLOOR = 1e-3
"""Is added to what is divided by, as a share of its mean."""
_OWN, _LEAST_USUAL = 0.9, 0.05


def shrink(images: np.ndarray, times: int) -> np.ndarray:
    """Means over squares of `times` pixels a side; what is left over at the ends goes."""
    down, across = (side // times for side in images.shape[1:3])
    cells = images[:, : down * times, : across * times].reshape(len(images), down, times, across, times, -1)
    return np.asarray(cells.mean(axis=(2, 4)))


Distances = Callable[[np.ndarray], np.ndarray]
"""From an image, (height, width, channels), to a value for each of its patches, (down, across)."""


def fit_distances(maps: np.ndarray) -> Distances:
    """Mahalanobis distances of patches from those of normal images."""
    mean, covariance = np.zeros(()), np.zeros(())
    for one in maps:
        patches = _patches(one).astype(np.float64)
        mean, covariance = mean + patches.mean(axis=(0, 1)), covariance + _products(patches)
    mean, covariance = mean / len(maps), covariance / len(maps)
    whiten = whitener(covariance - np.outer(mean, mean)).astype(np.float32)
    return lambda one: np.square((_patches(one) - mean.astype(np.float32)) @ whiten).mean(axis=-1)


def fit_own_distances(maps: np.ndarray) -> Distances:
    """Mahalanobis distances of patches from the others of the same image."""
    usual = np.mean([_products(_centred(one)) for one in maps], axis=0)

    def distances(one: np.ndarray) -> np.ndarray:
        patches = _centred(one)
        own = _products(patches)
        strength = np.trace(own) / max(np.trace(usual), np.finfo(np.float32).tiny)
        whiten = whitener(_OWN * own + (1 - _OWN) * strength * usual).astype(np.float32)
        return np.asarray(np.square(patches @ whiten).mean(axis=-1))

    return distances


def over_usual(distances: Distances, maps: np.ndarray) -> Distances:
    """The same over what normal images have at each place: where all have an edge, an edge is not odd."""
    from scipy import ndimage

    usual = ndimage.gaussian_filter(np.mean([distances(one) for one in maps], axis=0), 1.0, mode="nearest")
    usual += _LEAST_USUAL * usual.mean() + np.finfo(np.float32).tiny
    return lambda one: distances(one) / usual


def _centred(image: np.ndarray) -> np.ndarray:
    patches = _patches(image)
    return patches - patches.mean(axis=(0, 1))


def _products(patches: np.ndarray) -> np.ndarray:
    rows = patches.reshape(-1, patches.shape[-1])
    return np.asarray(rows.T @ rows) / len(rows)


def _patches(image: np.ndarray) -> np.ndarray:
    """All patches of an image, (down, across, 5 * 5 * channels); smaller ones of an image that is smaller."""
    side = min(PATCH, *image.shape[:2])
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), (0, 1))
    return windows.reshape(*windows.shape[:2], side * side * image.shape[2])


def whitener(covariance: np.ndarray) -> np.ndarray:
    """The matrix that gives values of this covariance unit variance, those of next to none left small."""
    variances, vectors = np.linalg.eigh(covariance)
    return vectors / np.sqrt(np.maximum(variances, 0) + FLOOR * max(variances.mean(), np.finfo(np.float32).tiny))
