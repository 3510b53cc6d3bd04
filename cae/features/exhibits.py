"""Walks through the space of codes, decoded on the way: from one image to another, and along principal components."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from cae.data.dividing import class_name
from cae.data.pixels import to_float
from cae.features.quality import find_nearest
from cae.features.representations import even_positions
from cae.files import printable
from cae.measures.linear_codes import fit_pca
from cae.pictures import Canvas, choose_cell, draw_block, image_colors, line_height, save_png, stack, text_width

if TYPE_CHECKING:
    from cae.features.representations import Sample
    from cae.model import Autoencoder


STEPS = 7
DEVIATIONS = np.arange(-3.0, 4.0)
_COMPONENTS = 8


@dataclass(frozen=True)
class Traversal:
    """Pictures along the leading principal components of codes.

    Args:
        pictures: in [0, 1], (components, places, height, width, channels).
        shares: of the codes' variance, (components,).
    """

    pictures: np.ndarray
    shares: np.ndarray


def interpolate(autoencoder: Autoencoder, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Decode the straight line between the codes of two images, both ends included.

    A decoder with switches is given those of the first image all the way.

    Args:
        autoencoder: the trained model.
        first: float32 in [0, 1], (height, width, channels).
        last: the same shape.

    Returns:
        In [0, 1], (`STEPS`, height, width, channels).
    """
    latents, switches = autoencoder.encode(tf.constant(np.stack([first, last])))
    start, end = tf.cast(latents, tf.float32).numpy()
    shares = np.linspace(0.0, 1.0, STEPS, dtype=np.float32).reshape(-1, *[1] * start.ndim)
    # Not start + share * (end - start): the ends must be the two codes, to the last bit.
    return _decode(autoencoder, (1 - shares) * start + shares * end, [one[:1] for one in switches])


def traverse(autoencoder: Autoencoder, codes: np.ndarray) -> Traversal | None:
    """Decode codes that differ from the mean code along one principal component, by -3 to 3 standard deviations.

    Args:
        autoencoder: a trained model without switches.
        codes: of training images, float32, (images, *code_shape).

    Returns:
        As many components as have a share in the codes' variance, at most eight; None if all codes are alike.
    """
    rows = codes.reshape(len(codes), math.prod(codes.shape[1:])).copy()
    total = float(rows.var(axis=0, dtype=np.float64).sum())
    pca = fit_pca(rows, _COMPONENTS)  # centres the rows
    if not total or not len(pca.components):
        return None
    deviations = (rows @ pca.components.T).std(axis=0, dtype=np.float64)  # (components,)
    pictures = []
    for component, deviation in zip(pca.components, deviations, strict=True):
        line = pca.mean + np.float32(deviation) * DEVIATIONS.astype(np.float32)[:, np.newaxis] * component
        pictures.append(_decode(autoencoder, line.reshape(-1, *codes.shape[1:]), []))
    return Traversal(np.stack(pictures), deviations**2 / total)


def _decode(autoencoder: Autoencoder, codes: np.ndarray, switches: list[tf.Tensor]) -> np.ndarray:
    latents = tf.cast(codes, autoencoder.decoder.inputs[0].dtype)
    repeated = [tf.repeat(one, len(codes), axis=0) for one in switches]
    return np.clip(tf.cast(autoencoder.decode(latents, repeated), tf.float32).numpy(), 0.0, 1.0)


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
        made["traversal"] = "none: the decoder needs an image's switches, and a mean code has no image"
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


_MARGIN = 8
_PLAIN, _GIVEN = (238, 238, 238), (40, 40, 40)
# Blue and vermilion differ for colour-blind eyes, too; words below the pictures say the same.
_ALIKE, _OTHER = (0, 114, 178), (213, 94, 0)


def draw_neighbours(
    queries: np.ndarray, found: np.ndarray, query_classes: Sequence[str], found_classes: Sequence[Sequence[str]]
) -> np.ndarray:
    """Draw a row for each query: the image, and the training images with the nearest codes.

    With classes, a neighbour's frame is blue where it has the query's class and orange where not, and each class stands
    below its image.

    Example:
        >>> images = np.zeros((2, 8, 8, 1))
        >>> draw_neighbours(images, np.zeros((2, 5, 8, 8, 1)), ["a", "b"], [["a"] * 5, ["b"] * 5]).shape[2]
        3

    Args:
        queries: in [0, 1], (queries, height, width, 1 or 3).
        found: the nearest first, (queries, neighbours, height, width, 1 or 3).
        query_classes: one each, or none at all.
        found_classes: the same of their neighbours.

    Returns:
        uint8, (picture height, picture width, 3).
    """
    parts = [_text("Left: an image. Right: the training images with the nearest codes, the nearest first.")]
    for row, (query, nearest) in enumerate(zip(queries, found, strict=True)):
        others: Sequence[str] = found_classes[row] if query_classes else [""] * len(nearest)
        frames = [
            _PLAIN if not query_classes else _ALIKE if other == query_classes[row] else _OTHER for other in others
        ]
        pictures = _framed(np.concatenate([query[np.newaxis], nearest]), [_GIVEN, *frames])
        labels = [_short(name) for name in (query_classes[row], *others)] if query_classes else []
        parts.append(_block({"": pictures}, labels))
    if query_classes:
        parts.append(_legend([(_ALIKE, "same class"), (_OTHER, "another class")]))
    return stack(parts)


def draw_interpolation(ends: np.ndarray, between: np.ndarray, captions: Sequence[str], note: str) -> np.ndarray:
    """Draw a row for each pair of images: one, the decoded line between their codes, the other.

    Args:
        ends: in [0, 1], (pairs, 2, height, width, 1 or 3).
        between: (pairs, `STEPS`, height, width, 1 or 3).
        captions: of the pairs.
        note: stands above; may be empty.

    Returns:
        uint8, (picture height, picture width, 3).
    """
    frames = [_GIVEN, *[_PLAIN] * STEPS, _GIVEN]
    rows = {
        f"{number}: {_short(caption, 24)}" if caption else f"{number}": _framed(
            np.concatenate([pair[:1], line, pair[1:]]), frames
        )
        for number, (pair, line, caption) in enumerate(zip(ends, between, captions, strict=True), start=1)
    }
    labels = ["image", *(f"{share:.0%}" for share in np.linspace(0, 1, STEPS)), "image"]
    heading = "Two images (dark frames), and what the decoder makes of the straight line between their codes."
    return stack([_text(heading), *([_text(note)] if note else []), _block(rows, labels)])


def draw_traversal(traversal: Traversal) -> np.ndarray:
    """Draw a row for each principal component of the codes: from -3 to 3 standard deviations around the mean code.

    Args:
        traversal: from `cae.features.exhibits.traverse`.

    Returns:
        uint8, (picture height, picture width, 3).
    """
    rows = {
        f"component {number} ({share:.1%})": _framed(pictures, [_PLAIN] * len(pictures))
        for number, (pictures, share) in enumerate(zip(traversal.pictures, traversal.shares, strict=True), start=1)
    }
    labels = [f"{place:+.0f} sd" if place else "mean code" for place in DEVIATIONS]
    heading = "What the decoder makes of codes along their principal components (share of the codes' variance)."
    return stack([_text(heading), _block(rows, labels)])


def _framed(images: np.ndarray, frames: Sequence[tuple[int, int, int]]) -> np.ndarray:
    """Colours of images, each in a frame of a colour: uint8, (batch, height + 2 w, width + 2 w, 3)."""
    colors = image_colors(images)
    width = max(1, round(max(colors.shape[1:3]) / 24))
    framed = np.empty((len(colors), colors.shape[1] + 2 * width, colors.shape[2] + 2 * width, 3), np.uint8)
    framed[:] = np.array(frames, np.uint8).reshape(-1, 1, 1, 3)
    framed[:, width:-width, width:-width] = colors
    return framed


def _block(rows: dict[str, np.ndarray], labels: Sequence[str]) -> np.ndarray:
    pictures = next(iter(rows.values()))
    return draw_block(rows, choose_cell(pictures.shape[1:3], len(pictures), rows), labels)


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else f"{name[: most - 3]}..."


def _text(line: str) -> np.ndarray:
    canvas = Canvas(text_width(line) + 2 * _MARGIN, line_height() + _MARGIN)
    canvas.write(line, _MARGIN, _MARGIN)
    return canvas.pixels()


def _legend(entries: Sequence[tuple[tuple[int, int, int], str]]) -> np.ndarray:
    side = line_height() - 5
    width = sum(side + text_width(words) + 4 * _MARGIN for _, words in entries)
    canvas = Canvas(width, line_height() + 2 * _MARGIN)
    left = _MARGIN
    for color, words in entries:
        canvas.paste(np.full((side, side, 3), color, np.uint8), left, _MARGIN + 3)
        canvas.write(words, left + side + _MARGIN, _MARGIN)
        left += side + text_width(words) + 4 * _MARGIN
    return canvas.pixels()
