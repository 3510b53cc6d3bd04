"""What usual codecs reach on the same images, for so many bits: JPEG, WebP, and PCA with an entropy coder."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cae.data.pixels import to_float
from cae.evaluation.bits import entropy
from cae.machine import this_machine
from cae.measures.linear_codes import fit_block_klt
from cae.measures.per_image import PSNR_CAP
from cae.messages import counted, counting

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet

# A curve's points: bits and PSNR in dB of an image, means over images.
Curve = list[tuple[float, float]]

# Bounds on images that are measured and on those that PCA is fitted on, and on values in memory (64 MB).
_MOST_IMAGES, _MOST_TRAINING_IMAGES, _MOST_VALUES = 1000, 2000, 2**24
_IMAGES_AT_ONCE = 64
_QUALITIES = (5, 15, 35, 65, 90)
# Steps of PCA's quantiser, in units of the pixel range.
_STEPS = tuple(2.0**-power for power in range(6))
# Larger images are cut into squares, each of which PCA takes for an image.
_LARGEST_PCA, _SQUARE = 1024, 16


def measure_rate_curves(training: ImageSet, images: ImageSet) -> tuple[dict[str, Curve], int]:
    """Find bits and PSNR of an image under codecs of several qualities.

    `JPEG` and `WebP`: Pillow's, at qualities from 5 to 90. The bits are those of a file less those of a file of a grey
    picture of the same size and quality: headers and tables, most of a small picture's file, are left out. `PCA`: all
    components (of images of more than 1,024 values, those of 16x16 squares), fitted on at most 2,000 training images,
    each quantised in equal steps; the bits are the entropies of what they become.

    Args:
        training: the training part.
        images: the images that the decoders are measured on; at most 1,000 of them, evenly spread, are looked at.

    Returns:
        Each codec's curve, the fewest bits first, and the number of images.
    """
    measured = _evenly(images, _MOST_IMAGES)
    files = [(name, word, quality) for name, word in (("JPEG", "JPEG"), ("WebP", "WEBP")) for quality in _QUALITIES]
    curves: dict[str, Curve] = {}
    with counting(2) as part_done:
        for name, word, quality in counted(files, len(files)):
            curves.setdefault(name, []).append(_measure_files(measured, word, quality))
        part_done()
        if curve := _measure_pca(_evenly(training, _MOST_TRAINING_IMAGES), measured):
            curves["PCA"] = curve
    return {name: sorted(curve) for name, curve in curves.items()}, len(measured)


def _evenly(images: ImageSet, most: int) -> ImageSet:
    most = min(len(images), most, max(2, _MOST_VALUES // math.prod(images.image_shape)))
    return images.take(np.unique(np.linspace(0, len(images) - 1, most).astype(np.int64)))


def _batches(images: ImageSet) -> Iterator[np.ndarray]:
    """Float32 in [0, 1], (batch, height, width, channels)."""
    for first in range(0, len(images), _IMAGES_AT_ONCE):
        yield to_float(images.read(np.arange(first, min(first + _IMAGES_AT_ONCE, len(images)))))


def _psnr(images: np.ndarray, reconstructions: np.ndarray) -> np.ndarray:
    errors = np.square(images - reconstructions, dtype=np.float64).mean(axis=(1, 2, 3))
    return -10.0 * np.log10(np.maximum(errors, 10.0 ** (-PSNR_CAP / 10.0)))


def _measure_files(images: ImageSet, kind: str, quality: int) -> tuple[float, float]:
    mode = "L" if images.image_shape[2] == 1 else "RGB"
    size = images.image_shape[1], images.image_shape[0]
    headers = len(_written(Image.new(mode, size, "gray"), kind, quality))

    def measure(image: np.ndarray) -> tuple[float, float]:
        pixels = np.rint(255.0 * image).astype(np.uint8)
        content = _written(Image.fromarray(pixels.squeeze(-1) if mode == "L" else pixels), kind, quality)
        with Image.open(io.BytesIO(content)) as picture:
            decoded = np.asarray(picture.convert(mode), np.float32).reshape(image.shape) / 255.0
        return 8.0 * max(0, len(content) - headers), float(_psnr(image[None], decoded[None])[0])

    bits, psnr = 0.0, 0.0
    with ThreadPoolExecutor(this_machine().cores) as threads:  # codecs leave Python's lock alone
        for batch in _batches(images):
            for image_bits, image_psnr in threads.map(measure, batch):
                bits, psnr = bits + image_bits, psnr + image_psnr
    return bits / len(images), psnr / len(images)


def _written(picture: Image.Image, kind: str, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, quality=quality)
    return file.getvalue()


def _measure_pca(training: ImageSet, images: ImageSet) -> Curve:
    height, width, channels = images.image_shape
    block = (height, width) if height * width * channels <= _LARGEST_PCA else (_SQUARE, _SQUARE)
    pca = fit_block_klt(_batches(training), block, math.prod(block) * channels)
    codes = np.concatenate([pca.encode(batch) for batch in _batches(images)])
    components = np.arange(codes.shape[-1])
    if not len(components):  # training images are all alike
        return []
    curve = []
    for step in counted(_STEPS, len(_STEPS)):
        levels = np.rint(codes / step).astype(np.int64)
        numbers = (levels - levels.min(axis=(0, 1, 2))).reshape(-1, len(components))
        span = int(numbers.max()) + 1
        counts = np.bincount((numbers + span * components).ravel(), minlength=span * len(components))
        bits = len(numbers) * float(entropy(counts.reshape(len(components), span)).sum())
        psnr = 0.0
        for number, batch in enumerate(_batches(images)):
            first = number * _IMAGES_AT_ONCE
            quantized = (levels[first : first + len(batch)] * step).astype(np.float32)
            decoded = pca.decode(quantized, (height, width)).clip(0.0, 1.0)
            psnr += float(_psnr(batch, decoded).sum())
        curve.append((bits / len(images), psnr / len(images)))
    return curve
