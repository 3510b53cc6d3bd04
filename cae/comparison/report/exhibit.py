"""The images on the page: each one under every decoder, as pictures of their own, so that they fit any width."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.drawing import Drawn, data_uri
from cae.comparison.report.picture import resized, shown_size
from cae.comparison.report.words import original_title, shortened
from cae.pictures.colors import LARGEST_ERROR, error_colors, image_colors

_CAPTION_LENGTH = 40


@dataclass(frozen=True)
class ImageOnPage:
    """One image under every decoder.

    Args:
        block: `best`, `median` or `worst`.
        name: the image's.
        original: the input.
        decoded: each decoder's reconstruction with its error map below, in the order of the contenders.
        height: of a picture on the page, in CSS pixels; those of `decoded` are twice as high.
        width: likewise.
    """

    block: str
    name: str
    original: Drawn
    decoded: tuple[Drawn, ...]
    height: int
    width: int


def images_on_page(comparison: Comparison, exhibits: Exhibits) -> list[ImageOnPage]:
    """Make the pictures of all images; those larger than in the comparison's picture are reduced as there."""
    cell = shown_size(comparison, exhibits)
    return [
        _on_page(comparison, exhibits, block, place, cell)
        for block, names in exhibits.blocks.items()
        for place in range(len(names))
    ]


def _on_page(comparison: Comparison, exhibits: Exhibits, block: str, place: int, cell: tuple[int, int]) -> ImageOnPage:
    name = exhibits.blocks[block][place]
    image = exhibits.images[block][place : place + 1]
    decoded = []
    for number, contender in enumerate(comparison.contenders, start=1):
        label = contender.label
        reconstruction = exhibits.reconstructions[block][label][place : place + 1]
        psnr = float(exhibits.psnr[block][label][place])
        error = float(np.abs(np.clip(reconstruction, 0.0, 1.0) - image).mean())
        pictures = np.concatenate(
            [_fitted(image_colors(reconstruction)[0], cell), _fitted(error_colors(image, reconstruction)[0], cell)]
        )
        alternative = (
            f"Image {name} reconstructed by {label}, and the map of its absolute error below: PSNR {psnr:.1f} dB,"
            f" mean absolute error {error:.4f}."
        )
        decoded.append(
            Drawn(_png_uri(pictures), alternative, f"{psnr:.1f} dB, {number} {shortened(label, _CAPTION_LENGTH)}")
        )
    height, width = image.shape[1:3]
    role = "clean" if comparison.corruption else "the input"
    alternative = f"Image {name}, {role}: {width} x {height} pixels, mean {float(image.mean()):.2f}."
    original = Drawn(_png_uri(_fitted(image_colors(image)[0], cell)), alternative, original_title(comparison))
    return ImageOnPage(block, name, original, tuple(decoded), *cell)


def error_scale() -> str:
    """What the colours of error maps mean."""
    return f"Errors: black is none, pale yellow {LARGEST_ERROR:g} of the pixel range and more."


def _fitted(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Reduce large pictures; small ones are enlarged by the browser."""
    return resized(picture, cell) if cell[0] < picture.shape[0] else picture


def _png_uri(picture: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(file, format="PNG")
    return data_uri(file.getvalue(), "image/png")
