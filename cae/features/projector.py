"""Codes for TensorBoard's projector: points with thumbnails, names and classes, to be turned and searched by hand."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tensorboard.plugins.projector import ProjectorConfig
from tensorboard.plugins.text.summary_v2 import text_pb

from cae.atomic_files import replacing, write_text
from cae.files import printable
from cae.pictures import image_colors, save_png
from cae.runs.events import replace_events

# What a browser turns smoothly, and what it takes as a picture.
MOST_POINTS = 2000
_LARGEST_SPRITE = 8192
_THUMBNAIL = 64
# Numbers in tensors.tsv: about 20 MB.
_MOST_VALUES = 2**21
CONFIG = "projector_config.pbtxt"


def num_points(code_values: int) -> int:
    """How many codes are shown at most: 2,000, fewer of codes of more than 1,048 values.

    >>> num_points(64), num_points(6272)
    (2000, 334)
    """
    return max(2, min(MOST_POINTS, _MOST_VALUES // code_values))


def thumbnail_size(height: int, width: int) -> tuple[int, int]:
    """Height and width of the thumbnails: the image's, or smaller with 64 pixels on the longer side.

    >>> thumbnail_size(28, 28), thumbnail_size(100, 400)
    ((28, 28), (16, 64))
    """
    scale = min(1.0, _THUMBNAIL / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def write_projector(
    folder: Path, codes: np.ndarray, thumbnails: np.ndarray, columns: Mapping[str, Sequence[str]], title: str
) -> None:
    """Write what TensorBoard's projector shows; the configuration comes last, so that it never shows half.

    TensorBoard looks only into folders with events: the folder gets an event file of one line of text. One that is
    running keeps the codes of before in memory until it is started again.

    Args:
        folder: made where it is missing; its files are replaced.
        codes: finite, (images, *code_shape).
        thumbnails: in [0, 1], (images, height, width, 1 or 3), at most 64 pixels a side.
        columns: what is known of each image, by name; at least two, since TensorBoard takes one alone to have no name.
        title: a line about the codes, shown under Text.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    rows = codes.reshape(len(codes), math.prod(codes.shape[1:]))
    with replacing(folder / "tensors.tsv") as temporary:
        np.savetxt(temporary, rows, fmt="%.6g", delimiter="\t")
    save_png(make_sprite(thumbnails), folder / "sprite.png")
    write_text(folder / "metadata.tsv", _metadata(columns))
    # TensorBoard looks only into folders with events.
    replace_events(folder, ".projector", [(0, text_pb("codes", title))])
    write_text(folder / CONFIG, _configuration(rows.shape, thumbnails.shape[1:3]))


def tint(thumbnails: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Mix each thumbnail with the colour of its class: TensorBoard colours no points before somebody asks it to.

    Example:
        >>> tinted = tint(np.zeros((3, 4, 6, 1)), np.array([0, 1, 0]))
        >>> tinted.shape, bool((tinted[0] == tinted[2]).all()), bool((tinted[0] == tinted[1]).all())
        ((3, 4, 6, 3), True, False)

    Args:
        thumbnails: in [0, 1], (images, height, width, 1 or 3).
        classes: a whole number for each.

    Returns:
        In [0, 1], (images, height, width, 3).
    """
    # Hues a golden section apart, so that neighbouring classes differ however many there are.
    colors = np.array(
        [colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.85, 1.0) for number in range(int(classes.max()) + 1)]
    )
    return 0.5 * thumbnails + 0.5 * colors[classes][:, None, None]


def make_sprite(thumbnails: np.ndarray) -> np.ndarray:
    """Put thumbnails into a square grid, row by row, as the projector expects them; what is left over is white.

    Example:
        >>> make_sprite(np.zeros((5, 4, 6, 1))).shape
        (12, 18, 3)

    Args:
        thumbnails: in [0, 1], (images, height, width, 1 or 3).

    Returns:
        uint8, (side * height, side * width, 3), where side is the square root of the number of images, rounded up.

    Raises:
        ValueError: the sprite would be larger than 8192 pixels a side, which browsers do not draw.
    """
    number, height, width = thumbnails.shape[:3]
    side = math.ceil(math.sqrt(number))
    if side * max(height, width) > _LARGEST_SPRITE:
        raise ValueError(
            f"A sprite must have at most {_LARGEST_SPRITE} pixels a side. Received: {number} of {height}x{width}."
        )
    cells = np.full((side * side, height, width, 3), 255, np.uint8)
    cells[:number] = image_colors(thumbnails)
    grid = cells.reshape(side, side, height, width, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(side * height, side * width, 3)


def _metadata(columns: Mapping[str, Sequence[str]]) -> str:
    """Tab-separated; TensorBoard knows no quotes, so that tabs and line ends in names are escaped."""
    rows = [columns, *zip(*columns.values(), strict=True)]
    return "".join("\t".join(map(printable, row)) + "\n" for row in rows)


def _configuration(shape: tuple[int, ...], thumbnail: tuple[int, ...]) -> str:
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name, embedding.tensor_path = "codes", "tensors.tsv"
    embedding.tensor_shape.extend(shape)
    embedding.metadata_path = "metadata.tsv"
    embedding.sprite.image_path = "sprite.png"
    embedding.sprite.single_image_dim.extend(thumbnail[::-1])  # width first
    return str(config)
