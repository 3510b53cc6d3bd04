"""Which score images get, and the training images that it is fitted to."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from cae.anomaly.fitted_scores import FITTED_METRICS, LEAST_NORMAL, FittedMetric, Seen, fit_score, kept_in_words
from cae.anomaly.scores import METRICS, ErrorMetric, score_images
from cae.data.pixels import to_float
from cae.errors import UserError
from cae.inference.inputs import SetInputs
from cae.inference.output_folder import compare_all

if TYPE_CHECKING:
    from cae.inference.any_size import Way
    from cae.inference.trained_autoencoder import TrainedAutoencoder

Metric = Literal["auto"] | ErrorMetric | FittedMetric
ALL_METRICS = ("auto", *METRICS, *FITTED_METRICS)
# What `auto` is with training images, and without.
_BEST, _PLAIN = "combined", "mse"
# Training images that scores are fitted to: as many, or as have so many values in pixels or codes.
_MOST_NORMAL, _LEAST_SAMPLE, _MOST_NORMAL_VALUES = 1024, 64, 2**24


class ImageScore(NamedTuple):
    """A score that is ready for images."""

    metric: str
    """One of `METRICS` and `FITTED_METRICS`."""
    of: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """From images as the model sees them and their reconstructions, (batch, ...), to float64, (batch,)."""
    said: str = ""
    """What it was fitted to, or why it is none of those that are fitted."""

    @property
    def is_fitted(self) -> bool:
        """Whether it takes images as training did."""
        return self.metric in FITTED_METRICS


def find_score(
    model: TrainedAutoencoder,
    metric: str,
    way: Way,
    *,
    is_own: bool,
    open_training: Callable[[int], SetInputs],
    refuse: Callable[[str], Exception] = ValueError,
) -> ImageScore:
    """Make a score ready, fitted to training images where it is one that knows them.

    Args:
        model: the run's.
        metric: one of `ALL_METRICS`; `auto` is `combined` where that can be had, else `mse`.
        way: what becomes of images of another size than the model's.
        is_own: whether the images are the run's own, which reach the model as training images do.
        open_training: opens an even sample of training images, at most as many.
        refuse: the error for a metric that does not go with the way or the run.

    Raises:
        UserError: the training images cannot be had, or are too few.
    """
    if metric not in ALL_METRICS:
        raise ValueError(f"`metric` must be one of {', '.join(ALL_METRICS)}. Received: metric={metric!r}.")
    if metric in METRICS:
        return _plain(metric)
    reason = _why_not_fitted(model, way, is_own)
    if metric != "auto":
        if reason:
            raise refuse(f"{metric} {reason} Take one of {', '.join(METRICS)}.")
        return _fit(model, metric, open_training)
    if reason:
        return _plain(_PLAIN, f"Scored by {_PLAIN}, the mean squared error: {_BEST} {reason}")
    try:
        return _fit(model, _BEST, open_training)
    except (UserError, OSError) as error:
        return _plain(_PLAIN, f"Scored by {_PLAIN}, the mean squared error, which often finds little. {error}")


def _plain(metric: str, said: str = "") -> ImageScore:
    return ImageScore(metric, functools.partial(score_images, metric=metric), said)


def _why_not_fitted(model: TrainedAutoencoder, way: Way, is_own: bool) -> str:
    """Why images cannot be held against training images at their size; empty where they can."""
    if way in ("native", "tile"):
        return "compares with training images, at their size, not with images at their own size or in tiles."
    if getattr(model.config.data, "fit", "stretch") == "patch" and not is_own:
        return "compares with training images, whole, and this run was trained on patches (data.fit)."
    return ""


def _fit(model: TrainedAutoencoder, metric: str, open_training: Callable[[int], SetInputs]) -> ImageScore:
    def see(images: np.ndarray, reconstructions: np.ndarray) -> Seen:
        return Seen(to_float(images), reconstructions, model._encode_pixels(images))

    values = max(math.prod(model.image_shape), math.prod(model.code_shape))
    most = min(_MOST_NORMAL, max(_LEAST_SAMPLE, _MOST_NORMAL_VALUES // values))
    compared = compare_all(
        open_training(most),
        model._at_any_size(),
        "auto",
        on_bad=lambda *_: None,
        tell=lambda _: None,
        progress=lambda *_: None,
    )
    parts = [see(one.seen, one.reconstructions) for one in compared]
    number = sum(len(part.images) for part in parts)
    if number < LEAST_NORMAL:
        raise UserError(f"{metric} needs at least {LEAST_NORMAL} training images to compare with. Received: {number}.")
    normal = Seen(*map(np.concatenate, zip(*parts, strict=True)))
    fitted = fit_score(metric, normal)
    said = f"Scored by {metric}, fitted to {number:,} training images{kept_in_words(metric, normal)}"
    return ImageScore(metric, lambda images, made: fitted(see(images, made)), said)
