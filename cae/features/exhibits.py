"""Which images the pictures of codes show: the same ones every time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cae.data.classes import class_name
from cae.data.file_errors import printable
from cae.data.pixels import to_float
from cae.features.figures import draw_interpolation, draw_neighbours, draw_traversal
from cae.features.neighbours import find_nearest
from cae.features.sample import even_positions
from cae.features.walks import interpolate, traverse
from cae.pictures import save_png

if TYPE_CHECKING:
    from cae.features.sample import Sample
    from cae.model import Autoencoder

_MOST_QUERIES, _SHOWN_NEIGHBOURS, _MOST_PAIRS = 10, 8, 8


def save_exhibits(
    folder: Path, autoencoder: Autoencoder, fitted: Sample, scored: Sample, class_names: Sequence[str]
) -> dict[str, str]:
    """Draw neighbours, an interpolation and a traversal, and write them as PNG files.

    Args:
        folder: exists.
        autoencoder: the trained model.
        fitted: training images, among which neighbours are sought.
        scored: images of the split that is measured.
        class_names: of labels, where they have names.

    Returns:
        `neighbours`, `interpolation` and `traversal` to the file's name, or to why there is none.

    Raises:
        OSError: a file cannot be written.
    """
    made = {"neighbours": "neighbours.png"}
    save_png(_neighbours(fitted, scored, class_names), folder / made["neighbours"])
    has_switches = bool(autoencoder.plan.switches)
    if len(scored.images) > 1:
        made["interpolation"] = "interpolation.png"
        save_png(_interpolation(autoencoder, scored, class_names), folder / made["interpolation"])
    else:
        made["interpolation"] = "none: it takes two images"
    traversal = None if has_switches else traverse(autoencoder, fitted.codes)
    if traversal is not None:
        made["traversal"] = "traversal.png"
        save_png(draw_traversal(traversal), folder / made["traversal"])
    elif has_switches:
        made["traversal"] = "none: the decoder (max_unpool) needs an image's switches, and a mean code has no image"
    else:
        made["traversal"] = "none: all codes are alike"
    return made


def one_of_each(labels: np.ndarray, most: int) -> np.ndarray:
    """Positions of the first image of each class, of evenly chosen classes where there are more than `most`.

    >>> one_of_each(np.array([7, 7, 0, 3, 0]), most=10).tolist()
    [2, 3, 0]
    """
    _, first = np.unique(labels, return_index=True)
    return first[even_positions(len(first), most)]


def names_of_classes(labels: np.ndarray | None, class_names: Sequence[str]) -> list[str]:
    """Each image's class by its name, or its number; none without labels."""
    return [] if labels is None else [printable(class_name(int(label), class_names)) for label in labels]


def _neighbours(fitted: Sample, scored: Sample, class_names: Sequence[str]) -> np.ndarray:
    has_classes = fitted.labels is not None and scored.labels is not None
    if has_classes and scored.labels is not None:
        queries = one_of_each(scored.labels, _MOST_QUERIES)
    else:
        queries = even_positions(len(scored.images), _MOST_QUERIES)
    codes, asked = (values.reshape(len(values), -1) for values in (fitted.codes, scored.codes[queries]))
    nearest = find_nearest(codes, asked, _SHOWN_NEIGHBOURS)  # (queries, neighbours)
    images = to_float(fitted.images.read(nearest.reshape(-1)))
    classes = names_of_classes(fitted.labels, class_names)
    return draw_neighbours(
        to_float(scored.images.read(queries)),
        images.reshape(*nearest.shape, *images.shape[1:]),
        names_of_classes(scored.labels[queries], class_names) if has_classes and scored.labels is not None else [],
        [[classes[position] for position in row] for row in nearest] if has_classes else [],
    )


def _interpolation(autoencoder: Autoencoder, scored: Sample, class_names: Sequence[str]) -> np.ndarray:
    chosen = even_positions(len(scored.images), 2 * _MOST_PAIRS)
    count = len(chosen) // 2
    pairs = np.stack([chosen[:count], chosen[count : 2 * count]], axis=1)  # (pairs, 2)
    images = to_float(scored.images.read(pairs.reshape(-1)))
    ends = images.reshape(count, 2, *images.shape[1:])
    classes = names_of_classes(scored.labels, class_names)
    captions = [f"{classes[first]} to {classes[last]}" if classes else "" for first, last in pairs]
    note = "All of a row are decoded with the switches of its first image." if autoencoder.plan.switches else ""
    return draw_interpolation(ends, np.stack([interpolate(autoencoder, *pair) for pair in ends]), captions, note)
