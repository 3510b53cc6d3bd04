"""A large picture cut into overlapping tiles, and put together again without seams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cae.data.pixels import to_float


@dataclass(frozen=True)
class Axis:
    """How one side of a picture is covered by tiles.

    Args:
        length: pixels of the side.
        tile: pixels of a tile.
        starts: where tiles begin; the last one may reach beyond the side.
        weights: what each pixel of each tile counts, (tiles, tile) float32; at each pixel of the side the weights of
            its tiles add up to 1.
    """

    length: int
    tile: int
    starts: tuple[int, ...]
    weights: np.ndarray


def cover(length: int, tile: int, overlap: int, *, multiple: int = 1, margin: int = 0) -> Axis:
    """Cover a side with tiles of one length, evenly spread.

    Weights rise from 0 to 1 in a half wave across the overlap. The outermost `margin` pixels of a tile, which may have
    seen that the tile ends there, count nothing, save at the ends of the side itself.

    Example:
        >>> axis = cover(10, tile=6, overlap=2)
        >>> axis.starts, axis.weights.astype(float).round(2).tolist()
        ((0, 4), [[1.0, 1.0, 1.0, 1.0, 0.85, 0.15], [0.15, 0.85, 1.0, 1.0, 1.0, 1.0]])

    Args:
        length: pixels of the side, at least 1.
        tile: pixels of a tile.
        overlap: pixels that neighbours share at least, at least `multiple` less than the tile.
        multiple: of which each start is a multiple, so that strides of all tiles fall on one grid.
        margin: pixels at a tile's ends that count nothing; less than half of the overlap, or 0.

    Raises:
        ValueError: if tiles would not advance, or margins leave nothing of the overlap.
    """
    step = (tile - overlap) // multiple * multiple
    if overlap < 0 or step < 1:
        raise ValueError(
            f"`overlap` must be from 0 to {tile - multiple}, since tiles of {tile} pixels begin at multiples of"
            f" {multiple} pixels. Received: overlap={overlap}."
        )
    if margin and 2 * margin >= overlap:
        raise ValueError(f"`margin` must be less than half of the overlap. Received: {margin} of {overlap}.")
    reach = max(0, -(-(length - tile) // multiple))  # the last start, counted in multiples
    num_tiles = 1 + -(-reach * multiple // step)
    starts = tuple(multiple * (number * reach // max(1, num_tiles - 1)) for number in range(num_tiles))
    ramp = _ramp(tile, overlap, margin)
    weights = np.ones((num_tiles, tile))
    weights[1:] *= ramp
    weights[:-1] *= ramp[::-1]
    total = np.zeros(starts[-1] + tile)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + tile] += weight
    for start, weight in zip(starts, weights, strict=True):
        weight /= total[start : start + tile]
    return Axis(length, tile, starts, weights.astype(np.float32))


def process_in_tiles(
    image: np.ndarray,
    rows: Axis,
    columns: Axis,
    process: Callable[[np.ndarray], np.ndarray],
    batch_size: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """Process a picture tile by tile, and blend what comes out.

    Memory holds the result and one batch of tiles. Where a tile reaches beyond the picture, it sees it mirrored.

    Args:
        image: (height, width, channels), uint8, or float32 in [0, 1].
        rows: how the height is covered.
        columns: how the width is covered.
        process: float32 tiles (batch, tile height, tile width, channels) to others of the same shape.
        batch_size: tiles at a time.
        progress: called with the number of tiles done and of all.

    Returns:
        float32, the image's shape.
    """
    result = np.zeros(image.shape, np.float32)
    places = [(row, column) for row in range(len(rows.starts)) for column in range(len(columns.starts))]
    for first in range(0, len(places), batch_size):
        batch = places[first : first + batch_size]
        tiles = np.stack([_cut(image, rows, row, columns, column) for row, column in batch])
        for (row, column), tile in zip(batch, process(to_float(tiles)), strict=True):
            top, left = rows.starts[row], columns.starts[column]
            place = result[top : top + rows.tile, left : left + columns.tile]  # [h, w, C], smaller at the ends
            height, width = place.shape[:2]
            weight = rows.weights[row, :height, np.newaxis] * columns.weights[column, :width]
            place += weight[..., np.newaxis] * tile[:height, :width]
        progress(min(first + batch_size, len(places)), len(places))
    return result


def _ramp(tile: int, overlap: int, margin: int) -> np.ndarray:
    """Weights from a tile's beginning onwards: 0 in the margin, then rising across what is left of the overlap."""
    if overlap == 0:
        return np.ones(tile)
    shares = (np.arange(tile) + 0.5 - margin) / (overlap - 2 * margin)
    return np.sin(np.pi / 2 * np.clip(shares, 0.0, 1.0)) ** 2


def _cut(image: np.ndarray, rows: Axis, row: int, columns: Axis, column: int) -> np.ndarray:
    top, left = rows.starts[row], columns.starts[column]
    tile = image[top : top + rows.tile, left : left + columns.tile]
    missing = (rows.tile - tile.shape[0], columns.tile - tile.shape[1])
    return np.pad(tile, [(0, missing[0]), (0, missing[1]), (0, 0)], mode="symmetric") if any(missing) else tile
