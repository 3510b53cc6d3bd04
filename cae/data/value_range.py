"""Which stored values are black and white, and whether images use what lies between.

Everything after reading is on the scale from 0 to 1. `data.value_range` says which stored values become 0 and 1: those
that the type can hold at most (`type`), or [low, high]. Values outside [low, high] are cut to it, and counted.
"""

from __future__ import annotations

import threading

import numpy as np

from cae.config.data import AnyData, StoredData
from cae.errors import RunWarning
from cae.files import printable
from cae.messages import number_of

Pair = tuple[float, float]

TOLERANCE = 1e-6
"""So much of the range may be exceeded by rounding, and is cut without a word."""

NARROW, CLIPPED = "narrow_value_range", "clipped_values"
# Below this part of its range a set of images is nearly black.
_SLIVER = 1 / 8
# Highest values that images are usually stored with: masks, and 8 to 16 bits.
_USUAL_TOPS = (1, 255, 1023, 4095, 16383, 65535)


def given_range(section: AnyData) -> Pair | None:
    """The section's [low, high]; None where values count as their type has them, or are still to be observed."""
    value_range = section.value_range if isinstance(section, StoredData) else "type"
    return None if isinstance(value_range, str) else value_range


def type_range(dtype: np.dtype) -> Pair:
    """The lowest and the highest value that a type can hold; 0 and 1 for floating point.

    >>> type_range(np.dtype("uint16")), type_range(np.dtype("float64")), type_range(np.dtype("int16"))
    ((0.0, 65535.0), (0.0, 1.0), (-32768.0, 32767.0))
    """
    if dtype.kind not in "iu":
        return 0.0, 1.0
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)


def range_for(dtype: np.dtype, value_range: Pair | None) -> Pair | None:
    """The range for images that a trained model is given, whose type may be another than that of its own images.

    A range that goes beyond what a type can hold cannot be meant for it: after a training on floating point from -1 to
    1, or on 12 bits, an 8-bit picture still is one from 0 to 255.

    >>> range_for(np.dtype("uint8"), (-1, 1)), range_for(np.dtype("uint16"), (0, 4095))
    (None, (0, 4095))
    """
    if value_range is None or dtype.kind not in "biu":
        return value_range
    low, high = type_range(dtype)
    return value_range if low <= value_range[0] and value_range[1] <= high else None


def in_words(value_range: Pair) -> str:
    """As it stands in a configuration.

    >>> in_words((-1000.0, 0.5))
    '[-1000, 0.5]'
    """
    return f"[{value_range[0]:.6g}, {value_range[1]:.6g}]"


def suggest(low: float, high: float) -> Pair:
    """The range that values from `low` to `high` were most likely stored with.

    >>> suggest(3, 4001), suggest(0, 1), suggest(-0.98, 1), suggest(-1024, 3071)
    ((0, 4095), (0, 1), (-1, 1), (-1024, 3071))
    """
    if -1 <= low < 0 and high <= 1:
        return -1, 1
    top = next((top for top in _USUAL_TOPS if high <= top), high)
    if low >= 0 and high > top / 4:
        return 0, top
    return min(low, 0), high if high > low else low + 1


def remedy(low: float, high: float) -> str:
    """What to set for values from `low` to `high`, to follow a message.

    >>> remedy(0, 255), remedy(-3.2, 4)
    ('Set data.value_range: [0, 255].', 'Set data.value_range: [-3.2, 4], or observed.')
    """
    pair = suggest(low, high)
    is_usual = pair == (-1, 1) or (pair[0] == 0 and pair[1] in _USUAL_TOPS)
    return f"Set data.value_range: {in_words(pair)}{'' if is_usual else ', or observed'}."


def watch_values(section: StoredData, whose: str, warnings: list[RunWarning], images: int) -> ValuesSeen | None:
    """Make what watches images that are decoded; nothing for values that are still to be observed."""
    if section.value_range == "observed":
        return None
    return ValuesSeen(printable(whose), given_range(section), warnings=warnings, images=images)


class ValuesSeen:
    """Looks at stored values as they are read, and keeps the warnings about them in a list up to date.

    >>> warnings = []
    >>> seen = ValuesSeen("masks.npy", None, warnings=warnings)
    >>> seen.note(np.eye(4, dtype=np.uint8)[np.newaxis])
    >>> print(warnings[0].message)
    masks.npy: values go from 0 to 1, but 0 is read as black and 255 as white: the images are nearly black, and PSNR \
looks better than it is. Set data.value_range: [0, 1].

    Args:
        whose: whose values, for messages.
        value_range: [low, high] of the section; None for what types can hold.
        warnings: takes the warnings; they are replaced when more is known.
        images: their number; each counts once, though it may be read in every epoch.
    """

    def __init__(self, whose: str, value_range: Pair | None, *, warnings: list[RunWarning], images: int = 0) -> None:
        self.low, self.high = np.inf, -np.inf
        self._whose = whose
        self._range = value_range
        self._warnings = warnings
        self._mine: list[RunWarning] = []
        self._is_seen = bytearray(images)
        self._brightest = -np.inf
        self._full = (0.0, 1.0)
        self._images_outside = self._values_outside = 0
        self._lock = threading.Lock()

    @property
    def is_bright(self) -> bool:
        """Whether a value was seen that is no longer nearly black."""
        return self._brightest >= _SLIVER

    def note(self, values: np.ndarray, number: int | None = None) -> None:
        """Look at images, (images, ...), as they are stored.

        Args:
            values: finite numbers.
            number: the image's, where it may come again; none or one image then.
        """
        if not values.size or (self._range is None and self.is_bright):
            return
        low, high = float(values.min()), float(values.max())
        with self._lock:
            if number is not None:
                if self._is_seen[number]:
                    return
                self._is_seen[number] = 1
            self._full = self._range or type_range(values.dtype)
            self.low, self.high = min(self.low, low), max(self.high, high)
            self._brightest = max(self._brightest, (high - self._full[0]) / (self._full[1] - self._full[0]))
            if self._range is not None:
                self._count_outside(values, low, high, self._range)
            self._tell()

    def _count_outside(self, values: np.ndarray, low: float, high: float, value_range: Pair) -> None:
        margin = TOLERANCE * (value_range[1] - value_range[0])
        least, most = value_range[0] - margin, value_range[1] + margin
        if low < least or high > most:
            outside = ((values < least) | (values > most)).reshape(len(values), -1).sum(axis=1)
            self._images_outside += int(np.count_nonzero(outside))
            self._values_outside += int(outside.sum())

    def _tell(self) -> None:
        found = []
        if not self.is_bright:
            found.append(RunWarning(NARROW, self._narrow()))
        if self._values_outside:
            found.append(RunWarning(CLIPPED, self._clipped()))
        if found != self._mine:
            self._warnings[:] = [*(one for one in self._warnings if one not in self._mine), *found]
            self._mine = found

    def _narrow(self) -> str:
        black, white = self._full
        return (
            f"{self._whose}: values go from {self.low:.6g} to {self.high:.6g}, but {black:.6g} is read as black and"
            f" {white:.6g} as white: the images are nearly black, and PSNR looks better than it is."
            f" {remedy(self.low, self.high)}"
        )

    def _clipped(self) -> str:
        images, values = self._images_outside, self._values_outside
        return (
            f"{self._whose}: {number_of(values, 'value')} of {number_of(images, 'image')} lie outside"
            f" data.value_range {in_words(self._full)} and are cut to it; values go from {self.low:.6g} to"
            f" {self.high:.6g}."
        )
