"""The same images under every decoder, as a picture for the page and for files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cae.comparison.record import Comparison, Exhibits
from cae.comparison.report.drawing import Drawn
from cae.comparison.report.formatting import original_title, shortened
from cae.pages import data_uri
from cae.pictures import (
    LARGEST_ERROR,
    Canvas,
    choose_cell,
    draw_legend,
    error_colors,
    image_colors,
    line_height,
    stack,
    text_width,
)

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


_MARGIN = 8
_GAP = 4
# Decoders' names are broken into lines, for which a column has at least this many pixels.
_NARROWEST = 96
_LABEL_LENGTH = 40


def comparison_picture(comparison: Comparison, exhibits: Exhibits) -> np.ndarray:
    """Draw each image in a row: the image, then every decoder's reconstruction with its error map and PSNR below.

    Small images are enlarged by a whole number without smoothing; large ones are reduced so that the picture of up to
    16 decoders is not much wider than 2000 pixels. Colours of errors are those of every other picture.

    Args:
        comparison: its contenders are the columns, in their order.
        exhibits: the images; blocks without any are left out.

    Returns:
        uint8, shape (height, width, 3).

    Raises:
        ValueError: there is no image at all.
    """
    labels = [contender.label for contender in comparison.contenders]
    cell = shown_size(comparison, exhibits)
    column = max(cell[1], _NARROWEST) + _GAP
    heads = [original_title(comparison), *(f"{place} {label}" for place, label in enumerate(labels, start=1))]
    parts = [_draw_heads(heads, column)]
    for block, names in exhibits.blocks.items():
        for place, name in enumerate(names):
            heading = f"{block}: {shortened(name, max(12, _width(len(labels) + 1, column) // 10))}"
            original = exhibits.images[block][place : place + 1]
            decoded = [exhibits.reconstructions[block][label][place : place + 1] for label in labels]
            psnr = [float(exhibits.psnr[block][label][place]) for label in labels]
            parts.append(_draw_image(heading, original, decoded, psnr, cell, column))
    return stack([*parts, draw_legend()])


def shown_size(comparison: Comparison, exhibits: Exhibits) -> tuple[int, int]:
    """Height and width at which each image is shown, in pixels.

    Raises:
        ValueError: there is no image at all.
    """
    sizes = [images.shape[1:3] for images in exhibits.images.values() if len(images)]
    if not sizes:
        raise ValueError(f"There must be at least one image. Received: none in {list(exhibits.images)}.")
    no_caption = {"": np.zeros((1, 1, 1, 3), np.uint8)}
    return choose_cell(sizes[0], len(comparison.contenders) + 1, no_caption)


def resized(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    """Bring uint8 pixels (height, width, 3) to a size: enlarged without smoothing, reduced by means over areas."""
    method = Image.Resampling.BOX if cell[0] < picture.shape[0] else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((cell[1], cell[0]), method))


def _draw_heads(names: Sequence[str], column: int) -> np.ndarray:
    lines = [_broken(shortened(name, _LABEL_LENGTH), column - _GAP) for name in names]
    canvas = Canvas(_width(len(names), column), _MARGIN + max(map(len, lines)) * line_height())
    for place, own in enumerate(lines):
        for number, line in enumerate(own):
            _write_centered(canvas, line, place, column, _MARGIN + number * line_height())
    return canvas.pixels()


def _draw_image(
    heading: str,
    original: np.ndarray,
    decoded: Sequence[np.ndarray],
    psnr: Sequence[float],
    cell: tuple[int, int],
    column: int,
) -> np.ndarray:
    """Draw one image's row; `original` and each of `decoded` are (1, height, width, channels)."""
    height, width = cell
    pictures_top = _MARGIN + line_height()
    errors_top = pictures_top + height + _GAP
    labels_top = errors_top + height
    canvas = Canvas(_width(1 + len(decoded), column), labels_top + line_height() + _GAP)
    canvas.write(heading, _MARGIN, _MARGIN)
    inset = (column - _GAP - width) // 2
    canvas.paste(resized(image_colors(original)[0], cell), _MARGIN + inset, pictures_top)
    _write_centered(canvas, "absolute error", 0, column, errors_top + (height - line_height()) // 2)
    for place, (one, value) in enumerate(zip(decoded, psnr, strict=True), start=1):
        left = _MARGIN + place * column + inset
        canvas.paste(resized(image_colors(one)[0], cell), left, pictures_top)
        canvas.paste(resized(error_colors(original, one)[0], cell), left, errors_top)
        _write_centered(canvas, f"{value:.1f} dB", place, column, labels_top)
    return canvas.pixels()


def _width(columns: int, column: int) -> int:
    return 2 * _MARGIN + columns * column


def _write_centered(canvas: Canvas, text: str, place: int, column: int, top: int) -> None:
    canvas.write(text, _MARGIN + place * column + (column - _GAP - text_width(text)) // 2, top)


def _broken(text: str, width: int) -> list[str]:
    """Break text into lines of at most a width in pixels, at spaces and underscores where that is possible."""
    lines = [""]
    for word in text.replace("_", "_\0").replace(" ", " \0").split("\0"):
        if lines[-1] and text_width((lines[-1] + word).rstrip()) > width:
            lines.append("")
        for letter in word:
            if text_width((lines[-1] + letter).rstrip()) > width:
                lines.append("")
            lines[-1] += letter
    return [line.strip() for line in lines]
