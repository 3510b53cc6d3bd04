"""Baselines of the code's size: mean image, PCA, plain resizing; fitted on an even sample of the training part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from cae.measures.catalogue import metrics_per_image
from cae.measures.linear_codes import EvenSample, fit_pca, most_images

# A callable that starts a new pass over the images: float32 batches (batch, height, width, channels) in [0, 1].
Stream = Callable[[], Iterable[Any]]


@dataclass(frozen=True)
class Baseline:
    """A way to reconstruct images, and what there is to know about it.

    Args:
        reconstruct: float32 images (batch, height, width, channels) to reconstructions of the same shape.
        notes: stands beside its figures: `values` in its code, and what else tells how it was made.
    """

    reconstruct: Callable[[np.ndarray], Any]
    notes: dict[str, Any]


Watch = Callable[[Mapping[str, Baseline]], object]


def measure_baselines(
    training: Stream, evaluation: Stream, code_values: int, watch: Watch = lambda _: None
) -> dict[str, dict[str, Any]]:
    """Fit the baselines on training images and measure them, by the model's own metrics, on those of an evaluation.

    `mean_image` knows nothing of the image. `pca` has as many components as the code has values, fewer where the sample
    of training images it is fitted on (8,192 to 16,384 of a large set, fewer of large images) does not vary in so many
    directions. `resize` is the image made so small that its pixels fit into the code, and large again, both bicubic.
    Reconstructions are clipped to [0, 1]. Each stream is read once; memory does not grow with the number of images.

    Example:
        >>> images = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
        >>> results = measure_baselines(lambda: [images], lambda: [images], code_values=16)
        >>> list(results), results["resize"]["size"], results["pca"]["components"]
        (['mean_image', 'pca', 'resize'], [4, 4], 16)

    Args:
        training: the training part alone, neither augmented nor corrupted.
        evaluation: the images that the model is measured on.
        code_values: values in the model's code of one image.
        watch: is shown the fitted baselines.

    Returns:
        For each baseline the means over images of every metric, `values` in its code of one image,
        `fitted_on` training images where it is fitted, and `components`, `size` (height, width) and a `note`.

    Raises:
        ValueError: a stream gives no image.
    """
    return measure_each(fit_baselines(training, code_values), evaluation, watch)


def measure_each(
    baselines: Mapping[str, Baseline], evaluation: Stream, watch: Watch = lambda _: None
) -> dict[str, dict[str, Any]]:
    """Measure baselines by the model's own metrics, all of them in one pass; reconstructions are clipped to [0, 1].

    Returns:
        For each baseline the means over images of every metric, and its notes.

    Raises:
        ValueError: the stream gives no image.
    """
    watch(baselines)
    sums: dict[str, dict[str, float]] = {name: {} for name in baselines}
    count = 0
    for batch in evaluation():
        images = np.asarray(batch, np.float32)
        count += len(images)
        for name, baseline in baselines.items():
            reconstructions = tf.clip_by_value(baseline.reconstruct(images), 0.0, 1.0)
            for metric, values in metrics_per_image(images, reconstructions).items():
                total = float(values.sum(dtype=np.float64))
                sums[name][metric] = sums[name].get(metric, 0.0) + total
    if count == 0:
        raise ValueError("`evaluation` must give at least one image. Received: none.")
    return {
        name: {**{metric: total / count for metric, total in sums[name].items()}, **baseline.notes}
        for name, baseline in baselines.items()
    }


def fit_baselines(training: Stream, code_values: int) -> dict[str, Baseline]:
    """Fit `mean_image`, `pca` and `resize`, as described for `measure_baselines`.

    Args:
        training: the training part alone, neither augmented nor corrupted.
        code_values: values in the model's code of one image.

    Returns:
        The baselines by name.

    Raises:
        ValueError: `training` gives no image.
    """
    total, count = np.zeros(()), 0
    for batch in training():
        images = np.asarray(batch, np.float32)
        if count == 0:
            image_shape = images.shape[1:]
            sample = EvenSample(most_images(images[0].size))
        total = total + images.sum(axis=0, dtype=np.float64)
        count += len(images)
        sample.add(images)
    if count == 0:
        raise ValueError("`training` must give at least one image. Received: none.")
    mean = (total / count).astype(np.float32)
    return {
        "mean_image": Baseline(lambda images: np.broadcast_to(mean, images.shape), {"values": 0, "fitted_on": count}),
        "pca": _make_pca(sample, int(np.prod(image_shape)), code_values),
        "resize": _make_resize(image_shape, code_values),
    }


def code_image_size(image_shape: tuple[int, int, int], code_values: int) -> tuple[int, int]:
    """Find the largest size of an image's own proportions whose pixels fit into a code.

    Example:
        >>> code_image_size((28, 28, 1), 64), code_image_size((20, 40, 3), 150)
        ((8, 8), (5, 10))

    Args:
        image_shape: height, width and channels.
        code_values: values in the code.

    Returns:
        Height and width, at most the image's own and at least one pixel, which is also the answer where not even that
        fits.
    """
    height, width, channels = image_shape
    longer_side = max(height, width)
    for side in range(longer_side, 1, -1):
        size = max(1, round(height * side / longer_side)), max(1, round(width * side / longer_side))
        if size[0] * size[1] * channels <= code_values:
            return size
    return 1, 1


def _make_pca(sample: EvenSample, image_values: int, code_values: int) -> Baseline:
    if code_values >= image_values:
        note = f"exact: the code has {code_values} values, the image {image_values}"
        notes = {"values": image_values, "components": image_values, "fitted_on": 0, "note": note}
        return Baseline(lambda images: images, notes)
    rows = sample.rows()
    fitted_on = len(rows)
    pca = fit_pca(rows, code_values)
    components = len(pca.components)
    notes = {"values": components, "components": components, "fitted_on": fitted_on}
    if components < code_values:
        notes["note"] = f"fewer than the code's {code_values} values: its images vary in no more directions"
    return Baseline(pca.reconstruct, notes)


def _make_resize(image_shape: tuple[int, int, int], code_values: int) -> Baseline:
    size = code_image_size(image_shape, code_values)

    def reconstruct(images: np.ndarray) -> tf.Tensor:
        small = tf.image.resize(images, size, "bicubic", antialias=True)
        return tf.image.resize(small, image_shape[:2], "bicubic", antialias=True)

    notes: dict[str, Any] = {"values": size[0] * size[1] * image_shape[2], "size": list(size)}
    if size == image_shape[:2]:
        notes["note"] = "exact: every pixel fits into the code"
    return Baseline(reconstruct, notes)
