"""The same images under every contender, chosen by all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cae.comparison.contenders import Group
from cae.comparison.measuring import Measuring
from cae.comparison.record import Exhibits
from cae.evaluation.files import Evaluation
from cae.evaluation.measure import best_median_worst
from cae.evaluation.results import make_measurer
from cae.files import printable

if TYPE_CHECKING:
    from cae.runs.trained import TrainedRun

# Images in each block.
SHOWN = 4


def make_exhibits(groups: Sequence[Group], measured: Mapping[Path, Evaluation], measuring: Measuring) -> Exhibits:
    """Reconstruct the best, median and worst images with each contender's run of its first seed.

    Args:
        groups: the contenders' runs, the best contender first.
        measured: each run directory's path to its evaluation, with PSNR image by image.
        measuring: has the images and the models.
    """
    psnr = {group.label: [measured[run.directory.path].per_image["psnr"] for run in group.runs] for group in groups}
    # Each contender counts once, however many seeds it has.
    blocks = best_median_worst(np.mean([np.mean(values, axis=0) for values in psnr.values()], axis=0), SHOWN)
    images = measuring.images.images
    indices = [index for chosen in blocks.values() for index in chosen]
    pictures: dict[str, np.ndarray] = {}
    reconstructions = {}

    def reconstruct(trained: TrainedRun) -> np.ndarray:
        originals, found = make_measurer(trained).reconstruct(images, indices)
        pictures.setdefault("images", originals)
        return found

    for group in groups:
        reconstructions[group.label] = measuring.with_model(group.runs[0], reconstruct)
    places = _places(blocks)
    names = images.names
    return Exhibits(
        blocks={block: tuple(printable(names[index]) for index in chosen) for block, chosen in blocks.items()},
        images={block: pictures["images"][place] for block, place in places.items()},
        reconstructions={
            block: {label: found[place] for label, found in reconstructions.items()} for block, place in places.items()
        },
        psnr={
            block: {group.label: psnr[group.label][0][chosen] for group in groups} for block, chosen in blocks.items()
        },
        spectra={group.label: measured[group.runs[0].directory.path].spectrum for group in groups},
    )


def _places(blocks: Mapping[str, Sequence[int]]) -> dict[str, slice]:
    """Where each block lies when all follow each other."""
    places, first = {}, 0
    for block, chosen in blocks.items():
        places[block] = slice(first, first + len(chosen))
        first += len(chosen)
    return places
