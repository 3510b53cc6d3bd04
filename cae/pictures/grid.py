"""Images, reconstructions and error maps side by side; best, median and worst of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cae.pictures.canvas import Canvas, choose_cell, draw_block, line_height, text_width
from cae.pictures.colors import LARGEST_ERROR, error_colors, image_colors, scale_colors

_LEGEND_WIDTH, _LEGEND_HEIGHT = 128, 12
_MARGIN = 8


def reconstruction_grid(
    images: np.ndarray,
    reconstructions: np.ndarray,
    *,
    corrupted: np.ndarray | None = None,
    labels: Sequence[str] = (),
    max_columns: int = 8,
) -> np.ndarray:
    """Draw images above their reconstructions and error maps, one column for each image.

    Rows are the input, the corrupted input where there is one, the reconstruction and the absolute error;
    more images than columns go on below. The error is the mean over channels, on a colour scale from 0 to
    0.25 that is the same in every picture and stands at the bottom. Small images are enlarged by a whole
    number without smoothing; large ones are reduced so that the picture is not much wider than 2000 pixels.

    Example:
        >>> images = np.random.default_rng(0).random((16, 28, 28, 1))
        >>> picture = reconstruction_grid(images, images)
        >>> picture.dtype, picture.shape[2]
        (dtype('uint8'), 3)

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, 1 or 3); at least one image.
        reconstructions: The same shape; values outside [0, 1] are clipped.
        corrupted: What the model saw instead of `images`, the same shape.
        labels: A short text under each image, such as its PSNR; or none.
        max_columns: Images beside each other.

    Returns:
        uint8, shape (picture height, picture width, 3).

    Raises:
        ValueError: Shapes differ, there is no image, or there are labels but not one for each image.
    """
    rows = comparison_rows(images, reconstructions, corrupted)
    count = len(images)
    if labels and len(labels) != count:
        raise ValueError(f"There must be a label for each image. Received: {len(labels)} for {count} images.")
    columns = min(count, max_columns)
    cell = choose_cell(np.shape(images)[1:3], columns, rows)
    blocks = []
    for start in range(0, count, columns):
        part = slice(start, start + columns)
        blocks.append(draw_block({name: row[part] for name, row in rows.items()}, cell, labels[part]))
    return stack([*blocks, draw_legend()])


def comparison_rows(
    images: np.ndarray, reconstructions: np.ndarray, corrupted: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Make the rows of a comparison: caption to uint8 of shape (batch, height, width, 3).

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, 1 or 3).
        reconstructions: The same shape.
        corrupted: The same shape, or None for no such row.

    Raises:
        ValueError: Shapes differ or there is no image.
    """
    shapes = {np.shape(pixels) for pixels in (images, reconstructions, corrupted) if pixels is not None}
    if len(shapes) > 1:
        raise ValueError(f"Images to be compared must have the same shape. Received: {sorted(shapes)}.")
    (shape,) = shapes
    if len(shape) != 4 or shape[0] == 0 or shape[3] not in (1, 3):
        raise ValueError(
            f"Images must have shape (batch, height, width, 1 or 3), at least one image. Received: {shape}."
        )
    rows = {"input": image_colors(images)}
    if corrupted is not None:
        rows["corrupted"] = image_colors(corrupted)
    rows["reconstruction"] = image_colors(reconstructions)
    rows["error"] = error_colors(images, reconstructions)
    return rows


def draw_legend() -> np.ndarray:
    """Draw the colour scale of error maps: uint8, shape (height, width, 3)."""
    before, after = "absolute error: 0", f"{LARGEST_ERROR} and more"
    bar = np.broadcast_to(scale_colors(np.linspace(0, 1, _LEGEND_WIDTH)), (_LEGEND_HEIGHT, _LEGEND_WIDTH, 3))
    bar_left = _MARGIN + text_width(before) + _MARGIN
    after_left = bar_left + _LEGEND_WIDTH + _MARGIN
    canvas = Canvas(after_left + text_width(after) + _MARGIN, line_height() + 2 * _MARGIN)
    canvas.write(before, _MARGIN, _MARGIN)
    canvas.paste(bar, bar_left, _MARGIN + 2)
    canvas.write(after, after_left, _MARGIN)
    return canvas.pixels()


def stack(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures below each other, left sides in line.

    Args:
        parts: uint8, each of shape (height, width, 3).

    Returns:
        uint8, shape (sum of the heights, largest width, 3).
    """
    canvas = Canvas(max(part.shape[1] for part in parts), sum(part.shape[0] for part in parts))
    top = 0
    for part in parts:
        canvas.paste(part, 0, top)
        top += part.shape[0]
    return canvas.pixels()


def best_median_worst(blocks: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> np.ndarray:
    """Draw blocks of images with their reconstructions, error maps and PSNRs, each block under its heading.

    Sizes and colours are those of `reconstruction_grid`; blocks without images are left out.

    Example:
        >>> images = np.random.default_rng(0).random((4, 28, 28, 1))
        >>> psnr = np.array([31.0, 30.0, 29.0, 28.5])
        >>> picture = best_median_worst({"best": (images, images * 0.9, psnr), "worst": (images, images * 0.5, psnr)})
        >>> picture.dtype, picture.shape[2]
        (dtype('uint8'), 3)

    Args:
        blocks: Heading (such as `best`, `median`, `worst`) to images in [0, 1], shape (batch, height, width, 1 or 3),
            reconstructions of the same shape, and the PSNR of each in dB, shape (batch,). A block has a column for each
            of its images; all images have one size.

    Returns:
        uint8, shape (picture height, picture width, 3).

    Raises:
        ValueError: Shapes differ, or there is no image at all.
    """
    filled = {heading: block for heading, block in blocks.items() if len(block[0])}
    if not filled:
        raise ValueError(f"There must be at least one image. Received: none in {list(blocks)}.")
    parts = []
    most_columns = max(len(psnr) for _, _, psnr in filled.values())
    for heading, (images, reconstructions, psnr) in filled.items():
        rows = comparison_rows(images, reconstructions)
        if np.shape(psnr) != np.shape(images)[:1]:
            raise ValueError(
                f"There must be a PSNR for each image. Received: shape={np.shape(psnr)} for {len(images)} images."
            )
        cell = choose_cell(np.shape(images)[1:3], most_columns, rows)
        parts.append(draw_block(rows, cell, [f"{value:.1f} dB" for value in psnr], heading))
    return stack([*parts, draw_legend()])
