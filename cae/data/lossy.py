"""Whether images were compressed with loss before they came here: files that say so, and pixels that show it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cae.data.decoded_set import DecodedSet
from cae.data.formats.image_files import BadImageError, Compression
from cae.data.patch_set import pictures_of
from cae.data.pixels import to_float
from cae.errors import RunWarning, UserError

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet

LOSSY = "lossy_source"

# What is looked at: images, pixels, and blocks of 8x8.
_MOST_IMAGES, _MOST_PIXELS, _MOST_BLOCKS = 256, 2**24, 4096
_SIDE = 8
# The lowest frequencies but the mean, by row and column: they have the largest coefficients.
_FREQUENCIES = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0))
# Quantisation steps that are tried, in levels of 8-bit pixels, close enough together for steps that are no integers.
_STEPS = 2 * 1.02 ** np.arange(176)
# Fewer coefficients are left to chance.
_LEAST_COEFFICIENTS, _LEAST_FREQUENCIES = 100, 3
# Lossless photographs have 0.01, a few small ones up to 0.2; JPEG of quality 90 has 0.3 to 0.5, of lower ones more.
_GRID_THRESHOLD = 0.25
# The orthonormal cosine transform (DCT-II) of 8 values as a matrix, quicker to build than SciPy is to load.
_COSINES = np.sqrt(2 / _SIDE) * np.cos(np.pi * np.outer(np.arange(_SIDE), 2 * np.arange(_SIDE) + 1) / (2 * _SIDE))
_COSINES[0] /= np.sqrt(2)


def warn_of_loss(images: ImageSet) -> list[RunWarning]:
    """Say that images were compressed with loss, from a sample of at most 256 of them.

    Files say it themselves: JPEG with its quality and the resolution of its colours, and lossy WebP. In arrays and in
    files of lossless formats, coefficients of JPEG's 8x8 blocks give it away; see `grid_strength`. What was resized,
    turned, or cut at another place than a block's border after compression is not found, and neither is JPEG of a
    quality above 90 that was saved in a lossless format.

    Args:
        images: The training part.
    """
    images = pictures_of(images)
    said: list[Compression] = []
    pixels: list[np.ndarray] = []
    looked_at, room = 0, _MOST_PIXELS
    for index in _sample(len(images)):
        if room <= 0:
            break
        with contextlib.suppress(BadImageError, UserError, OSError):  # reading will tell
            found = images.compression(index) if isinstance(images, DecodedSet) else None
            looked_at += 1
            if found is not None:
                said.append(found)
            else:
                pixels.append(images.read_whole(index))
                room -= math.prod(pixels[-1].shape[:2])
    sentences = _in_words(said, looked_at)
    if grid_strength(pixels) > _GRID_THRESHOLD:
        sentences.append("pixels show the 8x8 blocks of JPEG, though they are stored without loss")
    if not sentences:
        return []
    return [
        RunWarning(
            LOSSY,
            f"images were compressed with loss: {'; '.join(sentences)}. Models learn its traces, codes on blocks of 8"
            " look better than on other images, and figures do not compare with those of lossless images. Train on the"
            " originals where you have them.",
        )
    ]


def _in_words(said: Sequence[Compression], looked_at: int) -> list[str]:
    """What files say of themselves, a part of a sentence for each kind.

    >>> _in_words([Compression("JPEG", 75, "4:2:0"), Compression("JPEG", 90, "4:2:0")], 3)
    ['2 of 3 files looked at are JPEG of quality about 75 to 90, most with colours at half the resolution (4:2:0)']
    """
    parts = []
    for kind in sorted({one.kind for one in said}):
        these = [one for one in said if one.kind == kind]
        qualities = sorted({one.quality for one in these if one.quality is not None})
        quality = (
            f" of quality about {' to '.join(map(str, sorted({qualities[0], qualities[-1]})))}" if qualities else ""
        )
        halved = sum(one.subsampling == "4:2:0" for one in these)
        colours = ", most with colours at half the resolution (4:2:0)" if 2 * halved > len(these) else ""
        parts.append(f"{len(these):,} of {looked_at:,} files looked at are {kind}{quality}{colours}")
    return parts


def _sample(number: int) -> list[int]:
    """Positions all over the set, in an order of which every beginning is all over it, too."""
    spread = np.unique(np.linspace(0, number - 1, min(number, _MOST_IMAGES)).astype(int))
    order: list[int] = np.random.default_rng(0).permutation(spread).tolist()
    return order


def grid_strength(images: Sequence[np.ndarray]) -> float:
    """How clearly pixels show that blocks of 8x8 from the top left were quantised, as JPEG does.

    The coefficients of a block's cosine transform are multiples of a step then, which is another one for each
    frequency. The strength of a frequency is the mean of cos(2 pi c / step) over those coefficients c that are larger
    than half of a step, for the step that gives the most: 1 for multiples, about 0 for coefficients of any value. Taken
    is the median of nine low frequencies, less that of blocks four pixels further down and to the right, which pictures
    of few levels have as well as compressed ones.

    Args:
        images: (height, width, 1 or 3) each, uint8 or in [0, 1].

    Returns:
        From -1 to 1; 0 where there are too few pixels to tell.

    Source:
        Fan and de Queiroz 2003, "Identification of bitmap compression history: JPEG detection and quantizer
        estimation", on the histogram of coefficients.
    """
    aligned, shifted = (_strength(list(_blocks(images, first))) for first in (0, _SIDE // 2))
    return 0.0 if aligned is None else aligned - max(0.0, shifted or 0.0)


def _strength(blocks: list[np.ndarray]) -> float | None:
    if not blocks:
        return None
    together = np.concatenate(blocks)
    together = together[:: -(-len(together) // _MOST_BLOCKS)]
    coefficients = np.abs(_COSINES @ together @ _COSINES.T)
    found = [one for place in _FREQUENCIES if (one := _closeness_to_multiples(coefficients[:, *place])) is not None]
    return float(np.median(found)) if len(found) >= _LEAST_FREQUENCIES else None


def _closeness_to_multiples(coefficients: np.ndarray) -> float | None:
    means = []
    for step in _STEPS:
        large = coefficients[coefficients > step / 2]
        if len(large) < _LEAST_COEFFICIENTS:
            break
        means.append(float(np.cos(2 * np.pi / step * large).mean()))
    return max(means, default=None)


def _blocks(images: Sequence[np.ndarray], first: int) -> Iterable[np.ndarray]:
    """Blocks of brightness in levels of 8 bits, (blocks, 8, 8), of each image that has any."""
    for image in images:
        levels = 255 * to_float(image)[first:, first:]
        light = levels @ np.array([0.299, 0.587, 0.114], np.float32) if image.shape[2] == 3 else levels[..., 0]
        down, across = (side // _SIDE for side in light.shape)
        if down and across:
            cut = light[: down * _SIDE, : across * _SIDE].reshape(down, _SIDE, across, _SIDE).swapaxes(1, 2)
            blocks = cut.reshape(-1, _SIDE, _SIDE)
            yield blocks[:: -(-len(blocks) * len(images) // (4 * _MOST_BLOCKS))]
