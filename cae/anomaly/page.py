"""The page of scores: how they lie, and the images by rank with their reconstructions and error maps."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from cae.anomaly.detection import Scored
from cae.anomaly.scores import row_strips
from cae.data.pixels import to_float
from cae.pages import data_uri, render
from cae.pages.charts import draw_histogram
from cae.pictures import as_png, image_colors, scale_colors

_SHOWN = 18
"""Images of the highest scores, and of the lowest, on the page."""
_MOST_SIDE = 384
_OVERLAY = 0.65  # of the heat where the error is largest


class _Kept(NamedTuple):
    rank: float
    """What decides whether it is kept: the score, or its negative."""
    order: int
    place: int
    score: float
    image: np.ndarray
    reconstruction: np.ndarray
    errors: np.ndarray


class Gallery:
    """Keeps the images with the highest scores and those with the lowest; memory does not grow with the number."""

    def __init__(self) -> None:
        self._highest: list[_Kept] = []
        self._lowest: list[_Kept] = []
        self._number = 0

    def add(self, score: float, image: np.ndarray, reconstruction: np.ndarray, errors: np.ndarray) -> None:
        """Show it the next image.

        Args:
            score: of the image.
            image: as the model saw it, (height, width, channels), uint8 or float32 in [0, 1].
            reconstruction: the same shape, float32 in [0, 1].
            errors: its map, float32, (height, width).
        """
        for heap, rank in ((self._highest, score), (self._lowest, -score)):
            if len(heap) < _SHOWN or rank > heap[0].rank:
                pictures = (_reduced(_colors(image)), _reduced(_colors(reconstruction)), _reduced(errors))
                kept = _Kept(rank, -self._number, self._number, score, *pictures)
                (heapq.heappush if len(heap) < _SHOWN else heapq.heapreplace)(heap, kept)
        self._number += 1

    def ranked(self) -> tuple[list[_Kept], list[_Kept]]:
        """The highest, from the top; and the lowest of the others, from the bottom."""
        highest = sorted(self._highest, reverse=True)
        shown = {kept.place for kept in highest}
        return highest, [kept for kept in sorted(self._lowest, reverse=True) if kept.place not in shown]


def _colors(pixels: np.ndarray) -> np.ndarray:
    strips = row_strips(*pixels.shape[:2])
    return np.concatenate([image_colors(to_float(pixels[strip])[np.newaxis])[0] for strip in strips])


def _reduced(picture: np.ndarray) -> np.ndarray:
    """A large picture made smaller; small ones are enlarged by the browser, without smoothing."""
    scale = _MOST_SIDE / max(picture.shape[:2])
    if scale >= 1:
        return np.array(picture)
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def overlay(image: np.ndarray, errors: np.ndarray, largest: float) -> np.ndarray:
    """Lay a heat map over a gray picture: the larger the error, the less of the picture is left.

    Example:
        >>> picture = np.full((1, 2, 3), 200, np.uint8)
        >>> overlay(picture, np.array([[0.0, 0.5]], np.float32), largest=0.5)[0].tolist()
        [[200, 200, 200], [234, 236, 177]]

    Args:
        image: uint8, (height, width, 3).
        errors: float32, (height, width).
        largest: the error that has the last colour.

    Returns:
        uint8, (height, width, 3).
    """
    gray = np.broadcast_to(image.mean(axis=-1, keepdims=True), image.shape)
    shares = np.clip(errors / (largest or 1.0), 0.0, 1.0)
    weight = _OVERLAY * shares[..., np.newaxis]
    return np.round((1 - weight) * gray + weight * scale_colors(shares)).astype(np.uint8)


def make_scores_page(
    scored: Scored, title: str, lines: Sequence[str], numbers: Mapping[str, Any], gallery: Gallery
) -> str:
    """Make the page of scores: one file that loads nothing.

    Args:
        scored: images with their scores.
        title: what was scored.
        lines: what was printed.
        numbers: the content of results.json.
        gallery: which was shown the images in the order of `scored`.
    """
    is_normal = None
    groups = {"images": scored.scores}
    if scored.normal and scored.classes is not None:
        is_normal = np.isin(np.asarray(scored.classes, np.str_), list(scored.normal))
        groups = {"normal": scored.scores[is_normal], "anomalous": scored.scores[~is_normal]}
    mark = None if scored.threshold is None else (scored.threshold.value, "threshold")
    ranked = gallery.ranked()
    # One scale for all maps of the page, by what is to be seen on it.
    largest = _two_digits(max((float(np.quantile(one.errors, 0.999)) for part in ranked for one in part), default=0.0))
    places = np.empty(len(scored.scores), np.int64)
    places[np.argsort(-scored.scores, kind="stable")] = np.arange(1, len(places) + 1)

    def shown(kept: _Kept) -> dict[str, Any]:
        return {
            "name": scored.names[kept.place],
            "score": f"{kept.score:.4g}",
            "rank": int(places[kept.place]),
            "kind": "" if scored.classes is None else scored.classes[kept.place],
            "is_above": scored.threshold is not None and kept.score > scored.threshold.value,
            "largest_error": f"{float(kept.errors.max()):.2g}",
            "pictures": [
                ("input", data_uri(as_png(kept.image))),
                ("reconstruction", data_uri(as_png(kept.reconstruction))),
                ("error over input", data_uri(as_png(overlay(kept.image, kept.errors, largest)))),
            ],
        }

    colors = scale_colors(np.linspace(0.0, 1.0, 9))
    return render(
        "scores.html",
        title=title,
        lines=lines,
        warnings=[warning["message"] for warning in numbers.get("warnings", ())],
        figures=_figures(numbers, len(scored.scores)),
        chart=draw_histogram(f"{scored.metric} of {len(scored.scores):,} images", scored.metric, groups, mark),
        parts=[
            ("highest", "Highest scores", [shown(one) for one in ranked[0]]),
            ("lowest", "Lowest scores", [shown(one) for one in ranked[1]]),
        ],
        largest=f"{largest:g}",
        gradient=", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colors.tolist()),
    )


def _two_digits(value: float) -> float:
    """Rounded up to two digits.

    >>> _two_digits(0.01234), _two_digits(0.0)
    (0.013, 0.0)
    """
    if value <= 0.0:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(value)) - 1)
    return float(f"{np.ceil(value / step) * step:.2g}")


def _figures(numbers: Mapping[str, Any], images: int) -> list[tuple[str, str]]:
    """What is known, in names and figures."""
    figures = [("Images", f"{images:,}")]
    if "threshold" in numbers:
        threshold = numbers["threshold"]
        figures.append(("Above the threshold", f"{numbers['above_threshold']:,} of {images:,}"))
        figures.append(
            (
                "Threshold",
                f"{threshold['value']:.4g}: at most {100 * threshold['false_positive_rate']:.3g}% of further normal"
                f" images lie above it (found on {threshold['images']:,})",
            )
        )
    if "auroc" in numbers:
        figures.append(("AUROC", f"{numbers['auroc']:.4f} (0.5 is chance)"))
        figures.append(("Average precision", f"{numbers['average_precision']:.4f}"))
    if "pixel_auroc" in numbers:
        figures.append(("Pixel AUROC", f"{numbers['pixel_auroc']:.4f} (0.5 is chance)"))
        figures.append(("Per-region overlap", f"{numbers['pro']:.4f} (PRO up to 30% false positives)"))
    return figures
