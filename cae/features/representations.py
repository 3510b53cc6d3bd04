"""The ways of describing an image whose worth is compared, and some images of a split with their codes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from cae.data.pipeline import make_batches
from cae.measures.linear_codes import fit_pca

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.inference.network import Network


@dataclass(frozen=True)
class Representation:
    """Vectors that stand for images.

    Args:
        name: `codes`, `codes_mean`, `pca` or `pixels`.
        fitted: of the images that probes are fitted on, float32, (images, values).
        scored: of the images that they are scored on.
        notes: what must be known of it; stands beside its figures.
    """

    name: str
    fitted: np.ndarray
    scored: np.ndarray
    notes: dict[str, Any] = field(default_factory=dict)


def represent(fitted: Sample, scored: Sample) -> Iterator[Representation]:
    """Describe the images of two samples in each way, one after the other.

    `codes` are all values of the code. `codes_mean` is each channel's mean over the places of a spatial code; there is
    none of a dense one. `pca` has as many principal components of the fitted images' pixels as the code has values,
    fewer where the images have fewer directions. `pixels` are all pixels.

    Args:
        fitted: training images.
        scored: others.
    """
    code_values = math.prod(fitted.codes.shape[1:])
    pixels = _rows(fitted.pixels)
    yield Representation("codes", _rows(fitted.codes), _rows(scored.codes))
    if fitted.codes.ndim == 4 and math.prod(fitted.codes.shape[1:3]) > 1:
        yield Representation("codes_mean", fitted.codes.mean(axis=(1, 2)), scored.codes.mean(axis=(1, 2)))
    reduced = _note_on_size(fitted)
    pca = fit_pca(pixels.copy(), code_values)
    notes = dict(reduced)
    if code_values >= pixels.shape[1]:
        notes["note"] = f"the code has {code_values:,} values, an image {pixels.shape[1]:,}: no component is left out"
    elif len(pca.components) < code_values:
        notes["note"] = f"fewer than the code's {code_values:,} values: its images vary in no more directions"
    known, unknown = ((rows - pca.mean) @ pca.components.T for rows in (pixels, _rows(scored.pixels)))
    yield Representation("pca", known, unknown, notes)
    yield Representation("pixels", pixels, _rows(scored.pixels), reduced)


def _rows(values: np.ndarray) -> np.ndarray:
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _note_on_size(sample: Sample) -> dict[str, Any]:
    size = sample.pixels.shape[1:3]
    return {} if size == sample.images.image_shape[:2] else {"images_reduced_to": list(size)}


# Numbers that a sample holds at most of its codes, or of its pixels: 256 MB.
_MOST_VALUES = 2**26


@dataclass(frozen=True)
class Sample:
    """Images of a split, evenly chosen, with what is known of each.

    Args:
        images: the chosen ones.
        positions: where they are in the split, (images,).
        codes: float32, (images, *code_shape).
        pixels: float32 in [0, 1], (images, height, width, channels); smaller than the images where that was asked for.
        labels: (images,); None without.
    """

    images: ImageSet
    positions: np.ndarray
    codes: np.ndarray
    pixels: np.ndarray
    labels: np.ndarray | None


def take_sample(
    network: Network, images: ImageSet, *, most: int, pixel_size: tuple[int, int], batch_size: int
) -> Sample:
    """Choose images evenly, read them once, and encode them as they are: not corrupted, not augmented.

    Args:
        network: the trained model.
        images: a split.
        most: how many at most; fewer where codes or pixels would not fit into 256 MB.
        pixel_size: height and width that pixels are brought to.
        batch_size: images at a time.

    Raises:
        UserError: a file cannot be read.
    """
    values = max(math.prod(network.code_shape), math.prod(pixel_size) * images.image_shape[2])
    positions = even_positions(len(images), min(most, max(1, _MOST_VALUES // values)))
    chosen = images.take(positions)
    codes = np.empty((len(positions), *network.code_shape), np.float32)
    pixels = np.empty((len(positions), *pixel_size, images.image_shape[2]), np.float32)
    done = 0
    for batch in make_batches(chosen, batch_size):
        part = slice(done, done + len(batch))
        codes[part], pixels[part] = network.encode(batch.numpy()), _resize(batch, pixel_size)
        done = part.stop
    labels = None if chosen.labels is None else np.asarray(chosen.labels)
    return Sample(chosen, positions, codes, pixels, labels)


def even_positions(number: int, most: int) -> np.ndarray:
    """Positions evenly spread over so many images, in rising order.

    >>> even_positions(10, 4).tolist(), even_positions(3, 4).tolist()
    ([0, 2, 5, 7], [0, 1, 2])
    """
    count = min(number, most)
    return np.arange(count) * number // max(1, count)


def _resize(batch: tf.Tensor, size: tuple[int, int]) -> np.ndarray:
    if tuple(batch.shape[1:3]) == size:
        return np.asarray(batch)
    return np.clip(tf.image.resize(batch, size, antialias=True).numpy(), 0.0, 1.0)
