"""Scores that know what is normal: errors and codes of an image, held against those of training images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from cae.anomaly.nearest import spread_out, to_nearest
from cae.anomaly.patches import FLOOR, PATCH, Distances, fit_distances, fit_own_distances, over_usual, shrink, whitener
from cae.anomaly.scores import top_share

Values = np.ndarray
"""Scores, (batch,), the higher the less like normal images."""
FittedMetric = Literal[
    "place", "scales", "whitened", "patches", "code_nearest", "code_mahalanobis", "place_nearest", "combined"
]
FITTED_METRICS: tuple[str, ...] = get_args(FittedMetric)
_SCALES = (0.5, 1.0, 2.0, 4.0)  # sigmas of Gaussians, in pixels
_SHRINK, _OWN_SHARE = (1, 2, 4, 8), 0.03
MOST_PLACES = 4096
"""Of normal images, that `place_nearest` keeps."""


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
    return values + FLOOR * values.mean() + np.finfo(np.float32).tiny


def fit_whitened(normal: Seen) -> Scorer:
    """How unusual patterns of the error are: Mahalanobis distances of its 5x5 patches, of which the top share is taken.

    Source:
        Reed and Yu 1990, "Adaptive multiple-band CFAR detection of an optical pattern with unknown spectral
        distribution".
    """
    distances = fit_distances(normal.residuals)
    return lambda seen: top_share(np.stack([distances(one) for one in seen.residuals]))


def fit_patches(normal: Seen) -> Scorer:
    """How far the oddest 5x5 patches of an image stand out of the rest of it, at up to four scales.

    Textures differ from image to image, in contrast and in direction; a defect is unlike the rest of its own image. At
    each scale three numbers tell so: Mahalanobis distances of patches of the image, and of those of its error, from
    those of normal images, the top share over the median of the same image; and distances of patches of the image by
    its own covariance, with a tenth of that which normal images have within them. All are divided by what normal images
    have at the same place.

    Returns:
        From images to (batch, three times the scales).

    Source:
        Reed and Yu 1990, as for `fit_whitened`.
    """
    columns: list[Scorer] = []
    for times in _SHRINK:
        if times == 1 or min(normal.images.shape[1:3]) // times >= 2 * PATCH:
            images, errors = (shrink(maps, times) for maps in (normal.images, normal.residuals))
            columns += [
                functools.partial(_stand_out, "images", times, over_usual(fit_distances(images), images)),
                functools.partial(_stand_out, "residuals", times, over_usual(fit_distances(errors), errors)),
                functools.partial(_are_odd, times, over_usual(fit_own_distances(images), images)),
            ]
    return lambda seen: np.stack([column(seen) for column in columns], axis=1)


def _stand_out(what: str, times: int, distances: Distances, seen: Seen) -> Values:
    found = np.stack([distances(one) for one in shrink(getattr(seen, what), times)])
    return top_share(found) / (np.median(found, axis=(1, 2)) + FLOOR)


def _are_odd(times: int, distances: Distances, seen: Seen) -> Values:
    return top_share(np.stack([distances(one) for one in shrink(seen.images, times)]), _OWN_SHARE)


def fit_code_nearest(normal: Seen) -> Scorer:
    """The mean distance of an image's code from the three nearest codes of normal images."""
    return functools.partial(lambda known, seen: to_nearest(_rows(seen.codes), known), _rows(normal.codes))


def fit_code_mahalanobis(normal: Seen) -> Scorer:
    """The Mahalanobis distance of the code from its mean at each place; the largest of them."""
    grid = normal.grid_of_codes
    mean = grid.mean(axis=0)
    whiten = whitener(np.cov(_places(grid - mean), rowvar=False).reshape(grid.shape[-1], -1)).astype(np.float32)
    return lambda seen: np.square((seen.grid_of_codes - mean) @ whiten).sum(axis=-1).max(axis=(1, 2)).astype(np.float64)


def fit_place_nearest(normal: Seen) -> Scorer:
    """Codes and errors of each place, held against those of all places of normal images: the farthest place.

    A place is described by its code, its errors at four scales and its contrast, so that an error is judged by what
    normal images show where code and contrast are alike. Of many places, those are kept that cover the others best.

    Source:
        Roth et al. 2022, "Towards total recall in industrial anomaly detection" (PatchCore), on features of a network
        that was trained on other images.
    """
    features = _features(normal)
    mean, deviation = features.mean(axis=(0, 1, 2)), features.std(axis=(0, 1, 2)) + 1e-6
    known = spread_out(_places((features - mean) / deviation), MOST_PLACES)

    def score(seen: Seen) -> Values:
        grid = (_features(seen) - mean) / deviation
        return to_nearest(_places(grid), known).reshape(grid.shape[:3]).max(axis=(1, 2))

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


Fit = Callable[[Seen], Scorer]
_ALONE: Mapping[str, Fit] = {
    "place": fit_place,
    "scales": fit_scales,
    "whitened": fit_whitened,
    "code_nearest": fit_code_nearest,
    "code_mahalanobis": fit_code_mahalanobis,
    "place_nearest": fit_place_nearest,
}

LEAST_NORMAL = 8
"""Normal images that a score needs at least."""


def fit_score(metric: str, normal: Seen) -> Scorer:
    """Fit a score to training images.

    `patches`, several numbers, and `combined`, `patches` and `place_nearest`, are calibrated on every fourth image, to
    which they are not fitted.

    Args:
        metric: one of `FITTED_METRICS`.
        normal: training images, at least `LEAST_NORMAL`.
    """
    if metric in _ALONE:
        return _ALONE[metric](normal)
    is_held_out = np.arange(len(normal.images)) % 4 == 0
    fitted, held_out = (Seen(*(one[chosen] for one in normal)) for chosen in (~is_held_out, is_held_out))
    patches = combine([fit_patches(fitted)], held_out)
    return patches if metric == "patches" else combine([patches, fit_place_nearest(fitted)], held_out)


def kept_in_words(metric: str, normal: Seen) -> str:
    """Say how many places are kept where there are too many for all; else nothing."""
    places = math.prod(normal.grid_of_codes.shape[:3])
    if metric not in ("place_nearest", "combined") or places <= MOST_PLACES:
        return ""
    return f"; of {places:,} places in them, the {MOST_PLACES:,} that cover the others best are known"


def combine(scorers: Sequence[Scorer], held_out: Seen) -> Scorer:
    """Add what each score has to say: minus the logarithms of its p-values on normal images (Fisher's method).

    A p-value is the share of normal images with a higher score, by a log-normal distribution with the mean and the
    deviation of the logarithms of those held out; so it still tells scores apart that are higher than all of them.

    Args:
        scorers: give scores that are not negative, (batch,) or (batch, scores).
        held_out: normal images that they are not fitted to.

    Source:
        Fisher 1932, "Statistical methods for research workers", section 21.1.
    """
    from scipy import stats

    def logarithms(seen: Seen) -> np.ndarray:
        return np.log(np.maximum(np.column_stack([scorer(seen) for scorer in scorers]), np.finfo(np.float32).tiny))

    known = logarithms(held_out)
    mean, deviation = known.mean(axis=0), np.maximum(known.std(axis=0), FLOOR)
    return lambda seen: -stats.norm.logsf((logarithms(seen) - mean) / deviation).sum(axis=1)
