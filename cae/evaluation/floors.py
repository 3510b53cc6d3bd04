"""What codes of the run's own shape reach without training: transforms of blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cae.evaluation.baselines import Baseline, Stream, Watch, measure_each
from cae.measures.linear_codes import BlockKlt, choose_block, fit_block_klt, from_blocks, num_blocks, to_blocks

Shape = tuple[int, int, int]

# Bounds: on a sample of images in memory (128 MB), on the work of least squares (seconds),
# and on the images that variances of coefficients are found on.
_MOST_IMAGES, _MOST_VALUES = 2**14, 2**25
_MOST_WORK = 8e9
_MOST_DCT_IMAGES = 2**12
_IMAGES_AT_ONCE = 64
_SMALLEST_DCT = 8


def most_images_for_floors(image_shape: Shape) -> int:
    """How many training images floors are fitted on at most.

    >>> most_images_for_floors((28, 28, 1)), most_images_for_floors((512, 768, 3))
    (16384, 28)
    """
    return min(_MOST_IMAGES, max(2, _MOST_VALUES // math.prod(image_shape)))


def measure_floors(
    training: Stream, evaluation: Stream, code_shape: Shape, watch: Watch = lambda _: None
) -> dict[str, dict[str, Any]]:
    """Fit block transforms on training images and measure them, by the model's own metrics, on those of an evaluation.

    `block_klt`: principal components that all blocks share, as many for each block as the code has channels; the
    blocks are the image divided by the code's height and width. Of a code without places, such as a dense one, the
    image's quarters (or smaller blocks, of large images), at most as many values in all as the code has.
    `block_klt_least_squares`: the same code; each block is made of its own and its eight neighbours' values by one
    linear map, which least squares finds. `zonal_dct`, of images whose sides are powers of two: the discrete cosine
    transform of 8x8 blocks or of the whole image over rows, columns and channels, whichever loses less, of which the
    coefficients of largest variance are kept.

    Example:
        >>> images = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
        >>> floors = measure_floors(lambda: [images], lambda: [images], code_shape=(2, 2, 4))
        >>> {name: (floor["block"], floor["values"]) for name, floor in floors.items()}
        {'block_klt': ([4, 4], 16), 'block_klt_least_squares': ([4, 4], 16), 'zonal_dct': ([8, 8], 16)}

    Args:
        training: training images, neither augmented nor corrupted, all of which are held in memory: at most
            `most_images_for_floors`.
        evaluation: the images that the model is measured on.
        code_shape: height, width and channels of the code; (1, 1, n) of a dense one.
        watch: is shown the fitted floors.

    Returns:
        For each floor the means over images of every metric, `values` in its code of one image, `block` (height,
        width), the number of its `weights`, the images it was `fitted_on`, and where it applies a `note`.

    Raises:
        ValueError: a stream gives no image.
    """
    batches = [np.asarray(batch, np.float32) for batch in training()]
    if not sum(map(len, batches)):
        raise ValueError("`training` must give at least one image. Received: none.")
    return measure_each(fit_floors(np.concatenate(batches), code_shape), evaluation, watch)


def fit_floors(images: np.ndarray, code_shape: Shape) -> dict[str, Baseline]:
    """Fit the floors, as described for `measure_floors`, on images of shape (images, height, width, channels)."""
    image_shape = images.shape[1:]
    block, channels = choose_block(image_shape, code_shape)
    klt = fit_block_klt([images], block, channels)
    floors = {
        "block_klt": Baseline(klt.reconstruct, _notes(klt, image_shape, channels, len(images))),
        "block_klt_least_squares": _fit_least_squares(klt, images, channels),
    }
    if all(side >= _SMALLEST_DCT and side & (side - 1) == 0 for side in image_shape[:2]):
        dct = _fit_zonal_dct(images, math.prod(code_shape))
        if dct is not None:
            floors["zonal_dct"] = dct
    return floors


def _notes(klt: BlockKlt, image_shape: Shape, channels: int, fitted_on: int) -> dict[str, Any]:
    kept, block_values = klt.components.shape
    notes: dict[str, Any] = {
        "values": num_blocks(image_shape, klt.block) * kept,
        "block": list(klt.block),
        "weights": 2 * kept * block_values,
        "fitted_on": fitted_on,
    }
    if kept == block_values:
        notes["note"] = f"exact: the code has {channels} values for each block, a block {block_values}"
    elif kept < channels:
        notes["note"] = f"fewer than the code's {channels} values for each block: blocks vary in no more directions"
    return notes


def _fit_least_squares(klt: BlockKlt, images: np.ndarray, channels: int) -> Baseline:
    """Find the best linear map from the codes around a block, and a constant, to the block."""
    kept, block_values = klt.components.shape
    if kept == block_values:  # nothing is left to find, and these are the largest fits
        return Baseline(klt.reconstruct, _notes(klt, images.shape[1:], channels, len(images)))
    features = 9 * kept + 1
    most = max(10 * features, _MOST_WORK / features**2) / num_blocks(images.shape[1:], klt.block)
    images = _every_nth(images, int(most))
    squares, products = np.zeros((features, features)), np.zeros((features, block_values))
    for batch in _batches(images):
        codes = _neighbourhoods(klt.encode(batch)).reshape(-1, features).astype(np.float64)
        blocks = (to_blocks(batch, klt.block) - klt.mean).reshape(-1, block_values)
        squares += codes.T @ codes
        products += codes.T @ blocks
    weights = (np.linalg.pinv(squares, rcond=1e-12, hermitian=True) @ products).astype(np.float32)

    def reconstruct(images: np.ndarray) -> np.ndarray:
        blocks = _neighbourhoods(klt.encode(images)) @ weights + klt.mean
        return from_blocks(blocks, klt.block, images.shape[1:3])

    notes = _notes(klt, images.shape[1:], channels, len(images))
    return Baseline(reconstruct, {**notes, "weights": (features + kept) * block_values})


def _neighbourhoods(codes: np.ndarray) -> np.ndarray:
    """Each place's codes and those of its eight neighbours, zero (the mean block) outside, and a one."""
    batch, height, width, _ = codes.shape
    padded = np.pad(codes, ((0, 0), (1, 1), (1, 1), (0, 0)))
    around = [padded[:, top : top + height, left : left + width] for top in range(3) for left in range(3)]
    return np.concatenate([*around, np.ones((batch, height, width, 1), codes.dtype)], axis=-1)


def _every_nth(images: np.ndarray, most: int) -> np.ndarray:
    return images[:: -(-len(images) // max(1, most))]


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    return (images[start : start + _IMAGES_AT_ONCE] for start in range(0, len(images), _IMAGES_AT_ONCE))


@dataclass(frozen=True)
class _ZonalDct:
    """The DCT of blocks whose coefficients outside of a zone are taken to be what they are on average.

    Args:
        block: height and width.
        mean: of each coefficient, (block height, block width, channels).
        zone: which are kept, bool, the same shape.
    """

    block: tuple[int, int]
    mean: np.ndarray
    zone: np.ndarray

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        from scipy.fft import idctn

        coefficients = np.where(self.zone, _dct(images, self.block), self.mean)
        blocks = idctn(coefficients, axes=(3, 4, 5), norm="ortho")
        return from_blocks(blocks.reshape(*blocks.shape[:3], -1), self.block, images.shape[1:3])


def _dct(images: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """Coefficients of blocks: (batch, blocks down, blocks across, block height, block width, channels)."""
    from scipy.fft import dctn

    blocks = to_blocks(images, block)
    return dctn(blocks.reshape(*blocks.shape[:3], *block, images.shape[3]), axes=(3, 4, 5), norm="ortho")


def _fit_zonal_dct(images: np.ndarray, code_values: int) -> Baseline | None:
    """Of 8x8 blocks and the whole image, what loses less of the images' variance; None if a code is too small."""
    image_shape, images = images.shape[1:], _every_nth(images, _MOST_DCT_IMAGES)
    found: list[tuple[float, _ZonalDct]] = []
    for block in dict.fromkeys([(_SMALLEST_DCT, _SMALLEST_DCT), image_shape[:2]]):
        places = num_blocks(image_shape, block)
        kept = min(code_values // places, math.prod(block) * image_shape[2])
        if kept:
            mean, variance = _moments(images, block)
            zone = np.zeros(variance.shape, bool)
            zone.flat[np.argsort(-variance, axis=None, kind="stable")[:kept]] = True
            found.append((places * float(variance[~zone].sum()), _ZonalDct(block, mean.astype(np.float32), zone)))
    if not found:
        return None
    dct = min(found, key=lambda one: one[0])[1]
    values = num_blocks(image_shape, dct.block) * int(dct.zone.sum())
    notes = {"values": values, "block": list(dct.block), "weights": 0, "fitted_on": len(images)}
    if dct.zone.all():
        notes["note"] = "exact: the code has a value for every coefficient"
    return Baseline(dct.reconstruct, notes)


def _moments(images: np.ndarray, block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each coefficient over all blocks."""
    total, squares, count = np.zeros(()), np.zeros(()), 0
    for batch in _batches(images):
        coefficients = _dct(batch, block)
        count += math.prod(coefficients.shape[:3])
        total = total + coefficients.sum(axis=(0, 1, 2), dtype=np.float64)
        squares = squares + np.square(coefficients).sum(axis=(0, 1, 2), dtype=np.float64)
    mean = total / count
    return mean, np.maximum(squares / count - np.square(mean), 0.0)
