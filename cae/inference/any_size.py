"""Pictures of any size through a network: natively, resized, or in overlapping tiles put together without seams."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from cae.data.pixels import Size, stretch, to_float
from cae.errors import ConfigError, NonFiniteOutputError
from cae.plan import Plan, PlanError

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.inference.network import Networks


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


Way = Literal["auto", "resize", "native", "tile"]
WAYS: tuple[str, ...] = get_args(Way)

_BYTES_PER_VALUE = 4
_WHAT_SEES_ALL = "a dense bottleneck, a global linear path or a part of your own"
# Activations at one time: of a picture that goes through as a whole without being asked for, and of one tile.
_MOST_WHOLE_BYTES = 2**29
_MOST_TILE_BYTES = 2**26
_MOST_IN_A_BATCH = 256


class AnySize:
    """Reconstructs pictures of any height and width.

    Args:
        networks: the model.
        config: the run's, whose batch size bounds memory.
        overlap: pixels that neighbouring tiles share; None for enough that no seam is left, see `default_overlap`.

    Raises:
        ConfigError: tiles of the only size that the model takes would not advance.
    """

    def __init__(self, networks: Networks, config: RunConfig, overlap: int | None = None) -> None:
        self._networks = networks
        self._batch_size = min(config.training.images_at_once, _MOST_IN_A_BATCH)
        self._factor = networks.factor
        self._fit = getattr(config.data, "fit", "stretch")
        self._own_size: Size = networks.own.plan.image_shape[:2]
        self._overlap = self.default_overlap if overlap is None else overlap
        most = min(self._own_size) - 1
        if not networks.is_convolutional and not 0 <= self._overlap <= most:
            raise ConfigError(
                f"Tiles of a model with {_WHAT_SEES_ALL} have its size, {_in_words(self._own_size)}, and must overlap"
                f" by 0 to {most} pixels. Received: {self._overlap}."
            )

    @property
    def reach(self) -> int:
        """How far away, in pixels, what a reconstructed pixel depends on can lie; 0 for a model that sees everything.

        What its cell of the code's grid sees to one side, and a whole cell for where in its cell a pixel lies.
        """
        return math.ceil(self._networks.own.plan.reach) + self._factor if self._networks.is_convolutional else 0

    @property
    def default_overlap(self) -> int:
        """Twice the reach, and a cell of the code's grid to blend across; a quarter of a tile that must have one size.

        Where the reach is so long that tiles would be mostly overlap, half of a tile: what lies further away counts
        little (Luo et al. 2016).
        """
        if not self._networks.is_convolutional:
            return max(1, min(self._own_size) // 4) if min(self._own_size) > 1 else 0
        return min(2 * self.reach + max(8, self._factor), self._tile_side // 2)

    def choose(self, way: Way, size: Size) -> Way:
        """Decide what `auto` is for a picture of a height and width: what keeps it at the scale of training.

        Weights know structures of the size that training showed them. Where it brought whole pictures to the model's
        size, others are brought there, too. Where it cut patches, pictures keep their size, and go through as a whole
        or, if they are large or the bottleneck is dense, in tiles. A picture of the model's own size is left as it is.

        Args:
            way: what is wanted.
            size: height and width of the picture.

        Returns:
            `resize`, `native` or `tile`.
        """
        if self.is_own(size):
            return "native"
        if way != "auto":
            return way
        if self._fit != "patch":
            return "resize"
        if not self._networks.is_convolutional:
            return "tile"
        try:
            plan = self._networks.plan_at(size)
        except PlanError:
            return "resize"
        return "native" if _activation_bytes(plan) <= _MOST_WHOLE_BYTES else "tile"

    def is_own(self, size: Size) -> bool:
        """Whether it is the size that the model was trained on."""
        return size == self._own_size

    def batch_size(self, size: Size) -> int:
        """How many pictures of a size take as much memory as a batch did in training; at least 1."""
        return max(1, self._batch_size * math.prod(self._own_size) // math.prod(size))

    def check(self, way: Way, size: Size) -> None:
        """Find out whether a way is open to pictures of a size.

        Raises:
            PlanError: it is not.
        """
        if way == "native" and not self.is_own(size):
            if not self._networks.is_convolutional:
                raise PlanError(
                    f"{_WHAT_SEES_ALL} takes images of one size only, {_in_words(self._own_size)}. Received:"
                    f" {_in_words(size)}; resize or tile it."
                )
            self._networks.plan_at(size)

    def compare(
        self, images: np.ndarray, way: Way, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reconstruct pictures of one size; gives the model's inputs and its reconstructions.

        Args:
            images: (batch, height, width, channels), uint8 or float32 in [0, 1].
            way: from `choose`.
            progress: called with the number of tiles done and of all.

        Returns:
            Two of the same shape: images of the scale of training where they were resized, else of their own. The first
            is of the images' type, the second float32 in [0, 1].

        Raises:
            PlanError: the way is not open to this size.
        """
        size: Size = images.shape[1:3]
        self.check(way, size)
        if way == "tile":
            made = []
            for index, image in enumerate(images):
                try:
                    made.append(self._in_tiles(image, progress))
                except NonFiniteOutputError as error:
                    raise error.at(index) from None
            # One large picture is not copied.
            return images, made[0][np.newaxis] if len(made) == 1 else np.stack(made)
        if way == "resize":
            images = np.stack([stretch(image, self._training_size(size)) for image in images])
        network = self._networks.at(images.shape[1:3])
        step = self.batch_size(images.shape[1:3])
        return images, in_parts(images, step, lambda batch: network.reconstruct(to_float(batch)))

    def reconstruct(
        self, images: np.ndarray, way: Way, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> np.ndarray:
        """Reconstruct pictures at their own size: as `compare`, and back to it where they were resized."""
        _, reconstructions = self.compare(images, way, progress)
        return resize_back(reconstructions, images.shape[1:3])

    def in_words(self, way: Way) -> str:
        """Say what becomes of pictures of another size than the model's."""
        own = _in_words(self._own_size)
        hint = "; --native or --tile keep their own scale" if self._networks.is_convolutional else ""
        return {
            "resize": f"resized to {'cover ' * self._keeps_proportions}the model's {own}, as in training{hint}",
            "native": f"taken through the network at their own size, with the weights trained on {own}",
            "tile": f"taken through the network in tiles that overlap by {self._overlap} pixels",
        }[way]

    @property
    def _keeps_proportions(self) -> bool:
        return self._fit == "crop" and self._networks.is_convolutional

    def _training_size(self, size: Size) -> Size:
        """The height and width that training would have brought a picture to, before it cut off what is too much."""
        if not self._keeps_proportions:
            return self._own_size
        scale = max(own / side for own, side in zip(self._own_size, size, strict=True))
        height, width = (max(own, round(side * scale)) for own, side in zip(self._own_size, size, strict=True))
        return height, width

    @property
    def _tile_side(self) -> int:
        """Pixels of a square tile that keeps memory small, about a multiple of what the network shrinks by."""
        plan = self._networks.own.plan
        per_pixel = _activation_bytes(plan) / math.prod(self._own_size)
        side = int(math.sqrt(_MOST_TILE_BYTES / per_pixel)) // self._factor * self._factor
        return max(side, max(self._own_size))

    def _in_tiles(self, image: np.ndarray, progress: Callable[[int, int], None]) -> np.ndarray:
        rows, columns = (self._cover(length, axis) for axis, length in enumerate(image.shape[:2]))
        size = (rows.tile, columns.tile)
        network = self._networks.at(size)
        return process_in_tiles(image, rows, columns, network.reconstruct, self.batch_size(size), progress)

    def _cover(self, length: int, axis: int) -> Axis:
        if not self._networks.is_convolutional:
            return cover(length, self._own_size[axis], self._overlap)
        fit = self._networks.fit_side
        tile = fit(max(self._tile_side, 2 * self._overlap + self._factor), axis)
        # What lies within reach of a tile's end has seen that it ends there, and is left to the neighbour.
        margin = self.reach if self._overlap > 2 * self.reach else self._overlap // 4
        tile = min(tile, fit(length, axis))
        overlap = self._overlap if tile < length else 0
        return cover(length, tile, overlap, multiple=self._factor, margin=margin if overlap else 0)


def in_parts(values: np.ndarray, size: int, use: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Give a network so many images or codes at a time; a result that is not finite is reported by its number.

    Raises:
        NonFiniteOutputError: as from `use`.
    """
    made = []
    for first in range(0, len(values), size):
        try:
            made.append(use(values[first : first + size]))
        except NonFiniteOutputError as error:
            raise error.at(first + error.index) from None
    return np.concatenate(made)


def resize_back(reconstructions: np.ndarray, size: Size) -> np.ndarray:
    """Bring reconstructions of resized pictures back to their height and width; others are as they should be."""
    if reconstructions.shape[1:3] == size:
        return reconstructions
    return np.stack([stretch(reconstruction, size) for reconstruction in reconstructions])


def _activation_bytes(plan: Plan) -> int:
    """What the operation with the largest input and output holds of one image."""
    values = max(math.prod(operation.input_shape) + math.prod(operation.output_shape) for operation in plan.operations)
    return _BYTES_PER_VALUE * values


def _in_words(size: Size) -> str:
    return f"{size[0]}x{size[1]} (height x width)"
