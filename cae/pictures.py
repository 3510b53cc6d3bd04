"""Pictures of reconstructions and their errors, side by side; the same in TensorBoard and in the evaluation."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cae.atomic_files import replacing

# Neither white nor black, so that the borders of white and of black images show.
_BACKGROUND = (238, 238, 238)
_INK = (40, 40, 40)
_FONT_SIZE = 13


class Canvas:
    """A light gray sheet.

    Example:
        >>> canvas = Canvas(width=60, height=20)
        >>> canvas.write("error", left=2, top=2)
        >>> canvas.pixels().shape
        (20, 60, 3)

    Args:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self._sheet = Image.new("RGB", (width, height), _BACKGROUND)
        self._pen = ImageDraw.Draw(self._sheet)

    def paste(self, picture: np.ndarray, left: int, top: int) -> None:
        """Put a picture, uint8 of shape (height, width, 3), with its top left corner at a place."""
        self._sheet.paste(Image.fromarray(np.ascontiguousarray(picture)), (left, top))

    def write(self, text: str, left: int, top: int) -> None:
        """Write one line of text; all lines have the same height, `line_height()`."""
        self._pen.text((left, top), text, fill=_INK, font=_font())

    def pixels(self) -> np.ndarray:
        """Return the sheet: uint8, shape (height, width, 3)."""
        return np.array(self._sheet)


def text_width(text: str) -> int:
    """Width of a line of text in pixels."""
    return int(np.ceil(_font().getlength(text)))


def line_height() -> int:
    """Height of a line of text in pixels, with room for letters that reach below the line."""
    return _FONT_SIZE + 4


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_FONT_SIZE)


# Small images are enlarged by a whole number to about this many pixels a side.
_LEGIBLE_SIDE = 96
# Large ones are reduced to this many, or to what the widest picture leaves for each column.
_LARGEST_SIDE = 512
_WIDEST_PICTURE = 2000
_GAP = 4
_MARGIN = 8


def draw_block(
    rows: Mapping[str, np.ndarray], cell: tuple[int, int], labels: Sequence[str], heading: str = ""
) -> np.ndarray:
    """Draw a heading, then the rows, then the labels.

    Example:
        >>> rows = {"input": np.zeros((3, 8, 8, 3), np.uint8)}
        >>> draw_block(rows, cell=(80, 80), labels=["a", "b", "c"]).shape[2]
        3

    Args:
        rows: caption to pictures, uint8 of shape (columns, height, width, 3), the same in each row.
        cell: height and width of a picture in the block.
        labels: one for each column, or none at all.
        heading: a line above; none when empty.

    Returns:
        uint8, shape (height, width, 3).
    """
    height, width = cell
    captions_width = _captions_width(rows)
    column_width = max([width, *(text_width(label) for label in labels)]) + _GAP
    lefts = [_MARGIN + captions_width + i * column_width for i in range(len(next(iter(rows.values()))))]
    top = _MARGIN + (line_height() if heading else 0)
    bottom = top + len(rows) * (height + _GAP) + (line_height() + _MARGIN if labels else 0)
    canvas = Canvas(lefts[-1] + column_width + _MARGIN, bottom)
    canvas.write(heading, _MARGIN, _MARGIN - _GAP)
    for caption, pictures in rows.items():
        canvas.write(caption, _MARGIN, top + (height - line_height()) // 2)
        for left, picture in zip(lefts, pictures, strict=True):
            canvas.paste(_fit(picture, cell), left + (column_width - _GAP - width) // 2, top)
        top += height + _GAP
    for left, label in zip(lefts, labels, strict=False):
        canvas.write(label, left + (column_width - _GAP - text_width(label)) // 2, top - _GAP // 2)
    return canvas.pixels()


def choose_cell(image_size: tuple[int, int], columns: int, rows: Mapping[str, np.ndarray]) -> tuple[int, int]:
    """Choose the size of each picture: small images become legible, and the block does not get too wide.

    Example:
        >>> rows = {"input": np.zeros((8, 28, 28, 3), np.uint8)}
        >>> choose_cell((28, 28), columns=8, rows=rows)
        (84, 84)

    Args:
        image_size: height and width of the images.
        columns: pictures beside each other.
        rows: as for `draw_block`; their captions take room.

    Returns:
        Height and width: a whole multiple of the image's, or less than the image's.
    """
    height, width = image_size
    room = (_WIDEST_PICTURE - 2 * _MARGIN - _captions_width(rows)) / columns - _GAP
    scale = min(max(1, _LEGIBLE_SIDE // max(height, width)), room / width, _LARGEST_SIDE / max(height, width))
    if scale > 1.0:
        scale = math.floor(scale)
    return max(1, int(height * scale)), max(1, int(width * scale))


def _captions_width(rows: Mapping[str, np.ndarray]) -> int:
    return max(text_width(caption) for caption in rows) + _MARGIN


def _fit(picture: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    height, width = cell
    is_smaller = height < picture.shape[0]
    method = Image.Resampling.BOX if is_smaller else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize((width, height), method))


# Absolute errors from here on have the last colour. Fixed, so that the pictures of different runs can be
# compared.
LARGEST_ERROR = 0.25

# Matplotlib's inferno at eighths: its lightness rises evenly, so that equal steps of error look equal.
_ANCHORS = (
    (0, 0, 4),
    (33, 12, 74),
    (87, 16, 110),
    (138, 34, 106),
    (188, 55, 84),
    (228, 90, 49),
    (249, 142, 9),
    (249, 203, 53),
    (252, 255, 164),
)


def image_colors(images: np.ndarray) -> np.ndarray:
    """Return gray or RGB images as RGB bytes.

    Example:
        >>> image_colors(np.array([[[[-0.1], [0.5], [1.0]]]]))[0, 0].tolist()
        [[0, 0, 0], [128, 128, 128], [255, 255, 255]]

    Args:
        images: pixels in [0, 1], shape (batch, height, width, 1 or 3); values outside are clipped, NaN is
            black.

    Returns:
        uint8, shape (batch, height, width, 3).
    """
    pixels = np.nan_to_num(np.asarray(images, np.float32), nan=0.0, posinf=1.0, neginf=0.0)
    pixels = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def error_colors(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    """Return maps of the absolute error, mean over channels: black at 0, pale yellow from 0.25 on.

    Example:
        >>> images = np.zeros((1, 1, 3, 1))
        >>> error_colors(images, images + np.array([[[[0.0], [0.125], [0.9]]]]))[0, 0].tolist()
        [[0, 0, 4], [188, 55, 84], [252, 255, 164]]

    Args:
        images: pixels in [0, 1], shape (batch, height, width, channels).
        reconstructions: the same shape; values outside [0, 1] are clipped, NaN is the largest error.

    Returns:
        uint8, shape (batch, height, width, 3).
    """
    clipped = np.clip(np.asarray(reconstructions, np.float32), 0.0, 1.0)
    errors = np.abs(np.asarray(images, np.float32) - clipped).mean(axis=-1)  # [N, H, W]
    return scale_colors(np.nan_to_num(errors, nan=LARGEST_ERROR) / LARGEST_ERROR)


def scale_colors(shares: np.ndarray) -> np.ndarray:
    """Colours of the error scale: shares of the largest error, any shape (...), to uint8 (..., 3)."""
    places = np.linspace(0.0, 1.0, len(_ANCHORS))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_ANCHORS)]
    return (np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def save_png(picture: np.ndarray, path: Path) -> None:
    """Write a picture as PNG; the file is either old or new, never half.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "black.png"
        >>> save_png(np.zeros((8, 6, 3), np.uint8), path)
        >>> with Image.open(path) as image:
        ...     image.size
        (6, 8)

    Args:
        picture: uint8, shape (height, width, 3) or (height, width).
        path: where to; the folder exists.

    Raises:
        OSError: the file cannot be written.
    """
    with replacing(Path(path)) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def as_png(picture: np.ndarray) -> bytes:
    """Give a picture, uint8 of shape (height, width, 3) or (height, width), as the bytes of a PNG file.

    >>> as_png(np.zeros((8, 6, 3), np.uint8))[1:4]
    b'PNG'
    """
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="PNG")
    return file.getvalue()


_LEGEND_WIDTH, _LEGEND_HEIGHT = 128, 12


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
        images: pixels in [0, 1], shape (batch, height, width, 1 or 3); at least one image.
        reconstructions: the same shape; values outside [0, 1] are clipped.
        corrupted: what the model saw instead of `images`, the same shape.
        labels: a short text under each image, such as its PSNR; or none.
        max_columns: images beside each other.

    Returns:
        uint8, shape (picture height, picture width, 3).

    Raises:
        ValueError: shapes differ, there is no image, or there are labels but not one for each image.
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
        images: pixels in [0, 1], shape (batch, height, width, 1 or 3).
        reconstructions: the same shape.
        corrupted: the same shape, or None for no such row.

    Raises:
        ValueError: shapes differ or there is no image.
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
        blocks: heading (such as `best`, `median`, `worst`) to images in [0, 1], shape (batch, height, width, 1 or 3),
            reconstructions of the same shape, and the PSNR of each in dB, shape (batch,). A block has a column for each
            of its images; all images have one size.

    Returns:
        uint8, shape (picture height, picture width, 3).

    Raises:
        ValueError: shapes differ, or there is no image at all.
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
