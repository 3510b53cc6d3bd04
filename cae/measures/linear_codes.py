"""Linear codes, fitted by nothing but linear algebra: principal components of whole images and of their blocks.

NumPy only. Each `fit_...` takes one pass over batches of images; memory does not grow with their number.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

# Bounds on the memory (256 MB) and the time (about ten seconds) of a fit.
_MOST_IMAGES = 2**14
_MOST_VALUES = 2**26
_LARGEST_SIDE = 3072

Shape = tuple[int, int, int]


class EvenSample:
    """Keeps every image at first; whenever there are too many, every other one goes, and fewer are taken from then on.

    Example:
        >>> sample = EvenSample(most=4)
        >>> for batch in np.arange(10.0).reshape(5, 2):
        ...     sample.add(batch)
        >>> sample.rows()[:, 0].tolist()
        [0.0, 4.0, 8.0]

    Args:
        most: how many images to keep at most; of a longer stream at least half as many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._parts: list[np.ndarray] = []
        self._seen = 0
        self._stride = 1

    def add(self, images: np.ndarray) -> None:
        """Take what is wanted from the next images of the stream, shape (batch, ...)."""
        rows = np.reshape(images, (len(images), math.prod(images.shape[1:])))
        self._parts.append(np.array(rows[-self._seen % self._stride :: self._stride], np.float32))
        self._seen += len(images)
        while sum(len(part) for part in self._parts) > self._most:
            self._parts = [self.rows()[::2].copy()]
            self._stride *= 2

    def rows(self) -> np.ndarray:
        """Return the sample: float32, shape (images, values of an image)."""
        return np.concatenate(self._parts)


# An eigenvalue below this share of the largest is rounding: the sample does not vary in that direction.
_RANK_TOLERANCE = 1e-12
# Rows or columns that are turned into float64 at a time.
_CHUNK = 1024


@dataclass(frozen=True)
class Pca:
    """A mean image and orthonormal components.

    Args:
        mean: float32, shape (values,).
        components: float32, shape (components, values), largest variance first.
    """

    mean: np.ndarray
    components: np.ndarray

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Project images, shape (batch, ...), onto the components and back: float32, the same shape, not clipped."""
        centred = np.asarray(images, np.float32).reshape(len(images), -1) - self.mean
        return ((centred @ self.components.T) @ self.components + self.mean).reshape(np.shape(images))


def fit_pca(sample: np.ndarray, components: int) -> Pca:
    """Find the components of the sample's largest variances, exactly.

    Time grows with the cube of the smaller of the two sides of `sample`; 3,072 take about ten seconds.

    Example:
        >>> sample = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], np.float32)
        >>> fit_pca(sample, components=2).components.shape  # the sample varies in one direction only
        (1, 2)

    Args:
        sample: float32, shape (images, values); centred in place.
        components: how many at most; there are no more than the sample has directions of variation.

    Returns:
        The mean and the components.

    Source:
        Sirovich (1987), Turbulence and the dynamics of coherent structures, part I ("method of snapshots"), for
        fewer images than values.
    """
    mean = sample.mean(axis=0, dtype=np.float64)
    sample -= mean.astype(np.float32)
    num_images, num_values = sample.shape
    has_more_images = num_images >= num_values
    # The covariance or the images' inner products, whichever is smaller: their eigenvalues are the same.
    products = _products_of_columns(sample) if has_more_images else _products_of_columns(sample.T)
    variances, vectors = np.linalg.eigh(products)
    rank = int(np.count_nonzero(variances > _RANK_TOLERANCE * max(variances[-1], np.finfo(np.float64).tiny)))
    kept = slice(len(variances) - min(components, rank), None)
    vectors = vectors[:, kept][:, ::-1]
    if not has_more_images:
        vectors = sample.T @ (vectors / np.sqrt(variances[kept][::-1])).astype(np.float32)
    return Pca(mean.astype(np.float32), np.ascontiguousarray(vectors.T, np.float32))


def _products_of_columns(matrix: np.ndarray) -> np.ndarray:
    """Compute matrix.T @ matrix in float64 without a float64 copy of the whole matrix."""
    total = np.zeros((matrix.shape[1], matrix.shape[1]))
    for start in range(0, matrix.shape[0], _CHUNK):
        rows = matrix[start : start + _CHUNK].astype(np.float64)
        total += rows.T @ rows
    return total


def most_images(image_values: int) -> int:
    """How many images PCA is fitted on at most: fewer where they are large.

    >>> most_images(784), most_images(3072), most_images(4000)
    (16384, 16384, 3072)
    """
    most = most_by_memory(image_values)
    # The smaller side of images x values decides the time.
    return most if image_values <= _LARGEST_SIDE else min(most, _LARGEST_SIDE)


def most_by_memory(image_values: int) -> int:
    """How many images a fit holds in memory at most.

    >>> most_by_memory(784), most_by_memory(2**20)
    (16384, 64)
    """
    return min(_MOST_IMAGES, max(2, _MOST_VALUES // image_values))


def fit_image_pca(batches: Iterable[np.ndarray], components: int) -> Pca:
    """Find the principal components of images, on an even sample of at most 16,384 of them (fewer of large images).

    Example:
        >>> images = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
        >>> pca = fit_image_pca([images[:20], images[20:]], components=16)
        >>> pca.components.shape, pca.reconstruct(images).shape
        ((16, 64), (32, 8, 8, 1))

    Args:
        batches: float32, (batch, height, width, channels).
        components: how many at most.

    Raises:
        ValueError: there is no image.
    """
    return fit_pca(_sample(batches, lambda images: images, most_images), components)


@dataclass(frozen=True)
class BlockKlt:
    """The Karhunen-Loeve transform of an image's blocks, which do not overlap: one PCA that all of them share.

    It is a convolution whose kernel and strides are the block, and its transpose: no linear code of each block by
    itself has a lower mean squared error on the images it was fitted on.

    Args:
        block: height and width of a block.
        mean: the mean block, float32, (block height * block width * image channels,): rows, then columns, then
            channels, as `tf.nn.space_to_depth` orders them.
        components: float32, orthonormal rows, (code channels, values of a block), largest variance first.
    """

    block: tuple[int, int]
    mean: np.ndarray
    components: np.ndarray

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Project each block: float32, (batch, blocks down, blocks across, code channels)."""
        return (to_blocks(images, self.block) - self.mean) @ self.components.T

    def decode(self, codes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Make images of height and width `size` of codes: float32, (batch, height, width, channels), not clipped."""
        return from_blocks(codes @ self.components + self.mean, self.block, size)

    def reconstruct(self, images: np.ndarray) -> np.ndarray:
        """Encode and decode."""
        return self.decode(self.encode(images), images.shape[1:3])


def fit_block_klt(batches: Iterable[np.ndarray], block: tuple[int, int], channels: int) -> BlockKlt:
    """Find the principal components of blocks, on an even sample of at most 16,384 images (fewer of large ones).

    Example:
        >>> images = np.random.default_rng(0).random((32, 8, 8, 1), np.float32)
        >>> klt = fit_block_klt([images], block=(4, 4), channels=3)
        >>> klt.components.shape, klt.encode(images).shape
        ((3, 16), (32, 2, 2, 3))

    Args:
        batches: float32, (batch, height, width, channels).
        block: height and width of a block; see `to_blocks` where they do not divide the image's.
        channels: values for each block at most; there are no more than blocks have directions of variation.

    Raises:
        ValueError: there is no image.
    """

    def most(image_values: int) -> int:
        if block_values <= _LARGEST_SIDE:
            return most_by_memory(image_values)
        return min(most_by_memory(image_values), max(1, _LARGEST_SIDE * block_values // image_values))

    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        raise ValueError(_NO_IMAGE)
    block_values = math.prod(block) * first.shape[3]
    rows = _sample(itertools.chain([first], batches), lambda images: to_blocks(images, block), most)
    pca = fit_pca(rows.reshape(-1, block_values), channels)
    return BlockKlt(block, pca.mean, pca.components)


_NO_IMAGE = "`batches` must give at least one image. Received: none."


def _sample(
    batches: Iterable[np.ndarray], change: Callable[[np.ndarray], np.ndarray], most: Callable[[int], int]
) -> np.ndarray:
    """An even sample of changed images: float32, (images, values)."""
    sample: EvenSample | None = None
    for batch in batches:
        changed = change(np.asarray(batch, np.float32))
        sample = sample or EvenSample(most(math.prod(changed.shape[1:])))
        sample.add(changed)
    if sample is None or not len(rows := sample.rows()):
        raise ValueError(_NO_IMAGE)
    return rows


def choose_block(image_shape: Shape, code_shape: Shape) -> tuple[tuple[int, int], int]:
    """Choose the block, height and width, and the values for each, so that there are at most as many as in the code.

    It is the image divided by the code's height and width, rounded up. A code without places, such as a dense one,
    gets the image's quarters, smaller blocks where these have more than 3,072 values, and the whole image where it has
    fewer than four values.

    >>> choose_block((32, 32, 3), (8, 8, 16)), choose_block((30, 45, 1), (8, 12, 2))
    (((4, 4), 16), ((4, 4), 2))
    >>> choose_block((32, 32, 3), (1, 1, 64)), choose_block((32, 32, 3), (1, 1, 3))
    (((16, 16), 16), ((32, 32), 3))

    Args:
        image_shape: height, width and channels.
        code_shape: height, width and channels; (1, 1, n) without places.
    """
    height, width, channels = image_shape
    if code_shape[:2] != (1, 1):
        return _divide(height, width, code_shape[0], code_shape[1]), code_shape[2]
    block, values = (height, width), code_shape[2]
    for side in range(2, max(height, width) + 1):
        smaller = _divide(height, width, side, side)
        if num_blocks(image_shape, smaller) > values:
            break
        block = smaller
        if math.prod(block) * channels <= _LARGEST_SIDE:
            break
    return block, values // num_blocks(image_shape, block)


def _divide(height: int, width: int, down: int, across: int) -> tuple[int, int]:
    return -(-height // down), -(-width // across)


def num_blocks(image_shape: Shape, block: tuple[int, int]) -> int:
    """How many blocks cover an image.

    >>> num_blocks((30, 45, 1), (4, 4))
    96
    """
    return -(-image_shape[0] // block[0]) * -(-image_shape[1] // block[1])


def to_blocks(images: np.ndarray, block: tuple[int, int]) -> np.ndarray:
    """Cut images into blocks from the top left; the last row and column are repeated until blocks fill the image.

    Args:
        images: (batch, height, width, channels).
        block: height and width of a block.

    Returns:
        (batch, blocks down, blocks across, block height * block width * channels).
    """
    batch, height, width, channels = images.shape
    down, across = -(-height // block[0]), -(-width // block[1])
    missing = ((0, 0), (0, down * block[0] - height), (0, across * block[1] - width), (0, 0))
    if down * block[0] != height or across * block[1] != width:
        images = np.pad(images, missing, mode="edge")
    cut = images.reshape(batch, down, block[0], across, block[1], channels).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(batch, down, across, math.prod(block) * channels)


def from_blocks(blocks: np.ndarray, block: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """Put blocks together again, as `to_blocks` cut them: (batch, *size, channels)."""
    batch, down, across, values = blocks.shape
    channels = values // math.prod(block)
    whole = blocks.reshape(batch, down, across, *block, channels).transpose(0, 1, 3, 2, 4, 5)
    return whole.reshape(batch, down * block[0], across * block[1], channels)[:, : size[0], : size[1]]
