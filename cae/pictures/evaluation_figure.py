"""The evaluation's picture: the best, the median and the worst reconstructions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cae.pictures.block import choose_cell, draw_block
from cae.pictures.grid import comparison_rows, draw_legend, stack


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
