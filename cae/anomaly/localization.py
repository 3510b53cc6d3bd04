"""Localisation: how well error maps find the pixels that masks mark, by pixel AUROC and per-region overlap."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from cae.data.formats.image_files import BadImageError, decode
from cae.data.formats.image_lists import list_images
from cae.errors import UserError
from cae.files import file_error, printable

GROUND_TRUTH = "ground_truth"
"""Folder of masks beside that of test images, as in MVTec AD."""
MOST_FALSE = 0.3
"""False positive rate up to which the per-region overlap is averaged."""
# Values whose first 20 bits are the same count as ties: they differ by less than one in 2,048.
_BITS = 20
_MOST_PIXELS = 1 << 28


class PixelMeter:
    """Adds up pixels image by image; memory does not grow with their number.

    Example:
        >>> meter = PixelMeter()
        >>> meter.add(np.array([[0.1, 0.2], [0.3, 0.9]], np.float32), np.array([[False, False], [False, True]]))
        >>> meter.result()["pixel_auroc"]
        1.0
    """

    def __init__(self) -> None:
        self._normal = np.zeros(1 << _BITS, np.int64)
        self._anomalous = np.zeros(1 << _BITS, np.int64)
        self._overlap = np.zeros(1 << _BITS, np.float64)  # of regions, each of weight 1
        self._regions = 0

    def add(self, errors: np.ndarray, mask: np.ndarray) -> None:
        """Take an image.

        Args:
            errors: its map, float32, (height, width).
            mask: whether a pixel is anomalous, bool, (height, width).
        """
        from scipy import ndimage

        places = _places(errors)
        self._normal += np.bincount(places[~mask], minlength=1 << _BITS)
        if not mask.any():
            return
        self._anomalous += np.bincount(places[mask], minlength=1 << _BITS)
        # Pixels that touch at a corner belong together, as in the paper's own code.
        regions, number = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(regions.ravel())
        self._overlap += np.bincount(places[mask], 1.0 / sizes[regions[mask]], minlength=1 << _BITS)
        self._regions += number

    def result(self) -> dict[str, Any]:
        """Give `pixel_auroc`, `pro`, and how many pixels and regions there were.

        `pixel_auroc` is the chance that an anomalous pixel has a higher error than a normal one, ties counting half.
        `pro` is the mean over regions of the share of a region that lies above the threshold, averaged over thresholds
        with false positive rates from 0 to 0.3: from 0 to 1.

        Raises:
            UserError: no pixel is anomalous, or none is normal.

        Source:
            Bergmann et al. 2019, "MVTec AD", section 4; Bergmann et al. 2020, "Uninformed Students", section 4.
        """
        normal, anomalous = int(self._normal.sum()), int(self._anomalous.sum())
        if not normal or not anomalous:
            raise UserError(
                "Masks must mark some pixels and leave some. Received:"
                f" {anomalous:,} pixels that are marked and {normal:,} that are not."
            )
        from scipy.integrate import trapezoid

        false = _from_the_highest(self._normal) / normal
        found = _from_the_highest(self._anomalous) / anomalous
        overlap = _from_the_highest(self._overlap) / self._regions
        within = false < MOST_FALSE
        rates = np.append(false[within], MOST_FALSE)
        overlaps = np.append(overlap[within], np.interp(MOST_FALSE, false, overlap))
        return {
            "pixel_auroc": float(trapezoid(found, false)),
            "pro": float(trapezoid(overlaps, rates) / MOST_FALSE),
            "pro_most_false_positives": MOST_FALSE,
            "anomalous_pixels": anomalous,
            "normal_pixels": normal,
            "regions": self._regions,
        }


def _places(errors: np.ndarray) -> np.ndarray:
    """Bins in the order of the values: the first bits of a float, those below zero turned round."""
    bits = (np.ascontiguousarray(errors, np.float32) + np.float32(0.0)).view(np.uint32)  # -0.0 becomes 0.0
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> (32 - _BITS)).astype(np.int64)


def _from_the_highest(counts: np.ndarray) -> np.ndarray:
    """Sums of all that lies at or above each bin, the highest first, after a 0."""
    return np.concatenate([[0.0], np.cumsum(counts[::-1])])


class Masks:
    """Masks by the names of images.

    A mask has its image's name, with or without `_mask`, in any format: `crack/000.png` or `crack/000_mask.png` is that
    of `crack/000.jpg`. What is not black is anomalous.

    Args:
        folder: with the masks.
        names: of the images, relative, with / between folders.
        classes: of the images, or None.
        normal: classes without defects, besides `good`.
        fit: brings a mask, uint8 of shape (height, width, 1), to the size at which images are scored; None where that
            is their own.

    Raises:
        UserError: there is no mask, or an image of another class has none.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        classes: Sequence[str | None] | None = None,
        normal: Collection[str] = (),
        fit: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        if not folder.is_dir():
            raise file_error(folder, "there is no such folder, and masks are to be found there.")
        found = list_images(folder)
        by_name = {_stem(name): path for name, path in zip(found.names, found.paths, strict=True)}
        self._paths = [by_name.get(_stem(name)) or by_name.get(f"{_stem(name)}_mask") for name in names]
        free = {"good", *normal}
        missing = [
            name
            for name, path, kind in zip(names, self._paths, classes or [None] * len(names), strict=True)
            if path is None and kind is not None and kind not in free
        ]
        if not any(self._paths) or missing:
            shown = ", ".join(map(printable, missing[:5] or names[:5]))
            raise file_error(
                folder,
                "there must be a mask for each image that is not normal, under its name or with _mask behind it."
                f" Received none for {len(missing) or len(names):,} of {len(names):,}: {shown}.",
            )
        self._fit = fit
        self.number = sum(path is not None for path in self._paths)

    def read(self, index: int, size: tuple[int, int]) -> np.ndarray:
        """Read the mask of an image: bool, (height, width); all False where it has none.

        Raises:
            UserError: it cannot be read, or has another size.
        """
        path = self._paths[index]
        if path is None:
            return np.zeros(size, bool)
        try:
            mask = decode(path, _MOST_PIXELS, (0, 0, 0)).max(axis=-1) > 0
            if self._fit is not None:
                mask = self._fit(255 * mask[..., np.newaxis].astype(np.uint8))[..., 0] >= 128
        except (BadImageError, ValueError) as error:
            raise file_error(path, f"cannot be read: {error}") from error
        if mask.shape != size:
            raise file_error(
                path, f"a mask must have the size of its image, {size[0]}x{size[1]}. Received: {_sides(mask)}."
            )
        return mask


def _sides(mask: np.ndarray) -> str:
    return "x".join(map(str, mask.shape))


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")).removesuffix("_mask")


def find_masks(images: Path) -> Path | None:
    """Find MVTec's `ground_truth` beside the folder of test images, or beside the folder that one kind lies in."""
    for folder in (images.parent, images.parent.parent):
        below = images.relative_to(folder).parts[1:]
        if (masks := folder.joinpath(GROUND_TRUTH, *below)).is_dir():
            return masks
    return None


def localization_lines(numbers: Mapping[str, Any], masks: int) -> list[str]:
    """Say in a line what `PixelMeter.result` gives.

    Args:
        numbers: of it.
        masks: how many images have one.
    """
    return [
        f"pixels: AUROC {numbers['pixel_auroc']:.4f}, per-region overlap {numbers['pro']:.4f} up to {MOST_FALSE:.0%}"
        f" false positives ({numbers['regions']:,} regions in {masks:,} masks)"
    ]
