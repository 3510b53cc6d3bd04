"""The evaluation's picture: the best, the median and the worst reconstructions."""

from __future__ import annotations

import numpy as np

from cae.pictures.block import choose_cell, draw_block
from cae.pictures.grid import comparison_rows, draw_legend, stack

_IMAGES_EACH = 8


def choose_best_median_worst(psnr: np.ndarray, images_each: int = _IMAGES_EACH) -> dict[str, np.ndarray]:
    """Choose the images to show by their PSNR.

    No image is chosen twice: a set of fewer than 3 * `images_each` images gives less of each, and one of one
    or two images no `median`. An image whose PSNR is NaN counts as the worst.

    Example:
        >>> chosen = choose_best_median_worst(np.array([20.0, 35.0, 25.0, 10.0, 30.0]), images_each=1)
        >>> {name: positions.tolist() for name, positions in chosen.items()}
        {'best': [1], 'median': [2], 'worst': [3]}

    Args:
        psnr: In dB, shape (images,), at least one.
        images_each: The most of each sort.

    Returns:
        Positions in `psnr` of the `best` (best first), the `median` (better ones first) and the `worst`
        (worst first).
    """
    order = np.argsort(-np.asarray(psnr, np.float64), kind="stable")  # NaN comes last
    count = min(images_each, max(1, len(order) // 3))
    best, middle = order[:count], order[count : max(count, len(order) - count)]
    worst = order[count + len(middle) :]
    start = (len(middle) - count + 1) // 2 if len(middle) > count else 0
    return {"best": best, "median": middle[start : start + count], "worst": worst[::-1]}


def best_median_worst(
    images: np.ndarray,
    reconstructions: np.ndarray,
    psnr: np.ndarray,
    *,
    corrupted: np.ndarray | None = None,
    images_each: int = _IMAGES_EACH,
) -> np.ndarray:
    """Draw the best, the median and the worst reconstructions with input, error map and PSNR.

    Chooses by `choose_best_median_worst`. For a set too large to hold, choose from all PSNRs first and pass
    the chosen images only: the choice among them is the same.

    Example:
        >>> images = np.random.default_rng(0).random((30, 28, 28, 1))
        >>> picture = best_median_worst(images, images * 0.9, psnr=np.linspace(20, 30, 30))
        >>> picture.dtype, picture.shape[2]
        (dtype('uint8'), 3)

    Args:
        images: Pixels in [0, 1], shape (batch, height, width, 1 or 3); at least one image.
        reconstructions: The same shape; values outside [0, 1] are clipped.
        psnr: PSNR of each image in dB, shape (batch,).
        corrupted: What the model saw instead of `images`, the same shape.
        images_each: The most of each sort.

    Returns:
        uint8, shape (picture height, picture width, 3).

    Raises:
        ValueError: Shapes differ or there is no image.
    """
    rows = comparison_rows(images, reconstructions, corrupted)
    if np.shape(psnr) != np.shape(images)[:1]:
        raise ValueError(
            f"There must be a PSNR for each image. Received: shape={np.shape(psnr)} for {len(images)} images."
        )
    chosen = choose_best_median_worst(psnr, images_each)
    cell = choose_cell(np.shape(images)[1:3], len(chosen["best"]), rows)
    blocks = []
    for heading, positions in chosen.items():
        if len(positions):
            labels = [f"{psnr[position]:.1f} dB" for position in positions]
            part = {caption: row[positions] for caption, row in rows.items()}
            blocks.append(draw_block(part, cell, labels, heading))
    return stack([*blocks, draw_legend()])
