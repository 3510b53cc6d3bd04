"""The ways of describing an image whose worth is compared: codes, and what needs no training of a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.evaluation.pca import fit_pca

if TYPE_CHECKING:
    from cae.features.sample import Sample


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
