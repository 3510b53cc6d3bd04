"""The images that a threshold is found on: whether its guarantee can hold."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

import numpy as np

from cae.errors import RunWarning
from cae.files import printable


class CalibrationImages:
    """Remembers images by their pixels, and says what speaks against a threshold that was found on them.

    >>> image = np.zeros((4, 4, 1), np.uint8)
    >>> images = CalibrationImages(["good", "good", "hole"], normal=["good"], scored=["good", "scratch"])
    >>> for level in range(3):
    ...     images.add(image + level)
    >>> images.look(image + 1)
    >>> [doubt.code for doubt in images.doubts()]
    ['calibrated_on_scored', 'calibrated_on_classes']

    Args:
        classes: of the images, where they have classes.
        normal: the classes that are normal, where that is known.
        scored: the classes of the images that are scored, where they have classes.
    """

    def __init__(self, classes: Iterable[str] = (), normal: Collection[str] = (), scored: Collection[str] = ()) -> None:
        self._classes = Counter(classes)
        self._normal = normal
        self._are_as_scored = any(name in scored for name in self._classes)
        self._images: Counter[bytes] = Counter()
        self._scored: set[bytes] = set()
        self._trained, self._compared = 0, ""

    def add(self, image: np.ndarray) -> None:
        """Remember an image that the threshold is found on, (height, width, channels)."""
        self._images[_digest(image)] += 1

    def look(self, image: np.ndarray) -> None:
        """Look whether an image that is scored is one of them."""
        if self._images and (digest := _digest(image)) in self._images:
            self._scored.add(digest)

    def count(self, images: Iterable[np.ndarray]) -> int:
        """How many of them are among other images, pixel by pixel."""
        return sum(self._images[digest] for digest in set(map(_digest, images)) & self._images.keys())

    def note_trained(self, number: int, compared: int, total: int) -> None:
        """Note how many of them were trained on.

        Args:
            number: of those that were found.
            compared: how many training images they were compared with.
            total: how many there are.
        """
        self._trained = number
        self._compared = f" ({compared:,} of {total:,} training images were compared)" if compared < total else ""

    def doubts(self) -> list[RunWarning]:
        """What speaks against the threshold."""
        return [RunWarning(f"calibrated_on_{code}", message) for code, message in self._find_doubts()]

    def _find_doubts(self) -> Iterator[tuple[str, str]]:
        if self._trained:
            least = "at least " if self._compared else ""
            yield (
                "trained",
                f"{least}{self._share(self._trained)} the threshold was found on were trained on{self._compared}. Their"
                " scores are too low, and so is the threshold: more normal images will lie above it. Give others, or"
                " leave out --calibrate: then the run's validation images are taken.",
            )
        if self._scored:
            number = sum(self._images[digest] for digest in self._scored)
            yield (
                "scored",
                f"{self._share(number)} the threshold was found on are scored, too: how many of them lie above it says"
                " nothing of further images. Give each image to one of both.",
            )
        others = sorted(name for name in self._classes if name not in self._normal)
        # Folders that are named otherwise, by days or cameras, say nothing of what is normal.
        if others and self._normal and self._are_as_scored:
            counts = ", ".join(f"{printable(name)} {self._classes[name]:,}" for name in others)
            yield (
                "classes",
                f"images that the threshold was found on are of classes that do not count as normal: {counts} (normal:"
                f" {printable(', '.join(sorted(self._normal)))}). So the threshold may be too high. Give normal images"
                " alone to --calibrate, or name all normal classes in --normal-classes.",
            )

    def _share(self, number: int) -> str:
        return f"{number:,} of {self._images.total():,} images that"


def _digest(image: np.ndarray) -> bytes:
    shape = f"{image.shape} {image.dtype}".encode()
    return hashlib.blake2b(shape + np.ascontiguousarray(image).tobytes(), digest_size=16).digest()
