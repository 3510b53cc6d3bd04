"""Which of two forms of the same function is the faster one: it knows no framework.

Enlarging by nearest or bilinear resizing or by unpooling without switches, and the convolution behind it, can be
computed as one transposed convolution (`cae.layers.ResizeConv2D`, `cae.layers.FixedUnpoolingConv2D`). Folded so, a 3x3
kernel behind enlarging by 2 takes about 4 / 9 of the multiplications or less, and the enlarged map is never stored. A
convolution to few filters can be computed several pixels at once (`cae.layers.Conv2D`). `python -m benchmarks.layers`
measures the first against Keras' layers one after the other, `python -m benchmarks.training` whole steps with both.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

Size = tuple[int | None, int | None]

# Libraries fill their vectors of so many float32 with filters: one filter costs nearly as much as sixteen.
_VECTOR = 16
_FEW_FILTERS = 4
# Maps of 4x4 pixels took 1.3 times as long folded, of 8x8 0.92, of 16x16 0.75, of 32x32 0.6.
_LEAST_SIDE_TO_BLUR = 8


def can_fold(enlarging: str, size: Size, output_size: Size | None, factor: int, kernel_size: int) -> bool:
    """Whether enlarging from `size` to `output_size` and a convolution behind it are one transposed convolution.

    A resized map that is cropped is not: its border would see what was cut off. Unpooling cuts off zeros only. Bilinear
    resizing is nearest resizing with a blur; the blur may come last, for kernels that have a middle.

    Example:
        >>> can_fold("nearest", (8, 8), (16, 16), 2, 3), can_fold("nearest", (8, 8), (15, 16), 2, 3)
        (True, False)

    Args:
        enlarging: `nearest` or `bilinear` resizing, or `fixed_unpool`.
        size: height and width before, or None where unknown.
        output_size: height and width behind; None for `factor` times as many.
        factor: how many times higher and wider.
        kernel_size: side of the convolution's kernel.
    """
    if enlarging == "fixed_unpool":
        return True
    if enlarging == "bilinear" and (None in size or kernel_size % 2 == 0):
        return False
    if output_size is None:
        return True
    return all(n is not None and target == factor * n for n, target in zip(size, output_size, strict=True))


def folded_side(enlarging: str, kernel_size: int, factor: int) -> int:
    """Side of the transposed convolution's kernel that enlarges and convolves in one.

    A resize repeats each pixel, which one tap then sees `factor` times.

    Example:
        >>> folded_side("nearest", 3, 2), folded_side("fixed_unpool", 3, 2)
        (4, 3)
    """
    return kernel_size if enlarging == "fixed_unpool" else kernel_size + factor - 1


def taps_behind(side: int, kernel_size: int, factor: int, target: int) -> int:
    """Zeros to put behind the taps of a folded kernel, so that SAME padding brings each tap to its place.

    The convolution before folding has `(kernel_size - 1) // 2` pixels of padding at the top, its transpose the rest;
    SAME padding of strides divides otherwise.

    Example:
        >>> taps_behind(3, 3, 2, 8), taps_behind(3, 3, 2, 7), taps_behind(4, 3, 2, 8)
        (1, 0, 0)

    Args:
        side: of the folded kernel.
        kernel_size: side of the convolution's kernel.
        factor: strides of the transposed convolution.
        target: pixels along this side of its output.
    """
    above = kernel_size - 1 - (kernel_size - 1) // 2
    padding = (-(-target // factor) - 1) * factor + side - target
    return max(0, 2 * above - padding) if above else 0


def folding_is_faster(
    enlarging: str, size: Size, kernel_size: int, compute_dtype: str, *, training: bool = True, on_gpu: bool = False
) -> bool:
    """Whether the folded form is the faster one.

    On a CPU it is, by about two, but for 16-bit floats on processors with matrix units for them (AMX): there
    multiplications are so cheap that the plain form wins. For bilinear resizing it is by 1.1 to 1.7 in float32, but
    not for small maps, whose border is done apart, and only while training: forward alone it spares little, and the
    plain form makes simpler graphs to export. Other types were not measured. On a GPU nothing was, so the plain form
    stays.

    Args:
        enlarging: `nearest` or `bilinear` resizing, or `fixed_unpool`.
        size: height and width before, or None where unknown.
        kernel_size: side of the convolution's kernel; folding spares nothing at 1.
        compute_dtype: float type of the computation.
        training: whether gradients are computed, too.
        on_gpu: whether it runs on a GPU.
    """
    if kernel_size == 1 or on_gpu:
        return False
    if enlarging == "bilinear":
        is_large = all(n is not None and n >= _LEAST_SIDE_TO_BLUR for n in size)
        return training and is_large and compute_dtype == "float32"
    return not _has_cheap_products(compute_dtype)


def has_few_filters(kernel_shape: Sequence[int], *, on_gpu: bool = False) -> bool:
    """Whether a convolution is to so few filters that other forms of it are faster.

    Example:
        >>> has_few_filters((3, 3, 32, 3)), has_few_filters((3, 3, 32, 5)), has_few_filters((1, 1, 32, 3))
        (True, False, False)

    Args:
        kernel_shape: (height, width, channels, filters).
        on_gpu: whether it runs on a GPU, where nothing was measured.
    """
    height, width, _, filters = kernel_shape
    return filters <= _FEW_FILTERS and height * width > 1 and not on_gpu


def pixels_at_once(kernel_shape: Sequence[int], size: Size, compute_dtype: str) -> int:
    """Side of the squares of pixels that a convolution to few filters had best compute at once.

    As many as fill a vector with all their filters: 4 by 4 for one filter, 2 by 2 for up to four. For 16-bit floats on
    processors with matrix units, where multiplications are cheap, it is single pixels, and so it is where SAME padding
    of strides would move the kernel, or where the size is not known.

    Example:
        >>> [pixels_at_once((3, 3, 32, filters), (28, 28), "float32") for filters in (1, 3)]
        [4, 2]

    Args:
        kernel_shape: (height, width, channels, filters) with few filters.
        size: height and width of the pictures, or None where unknown.
        compute_dtype: float type of the computation.
    """
    if _has_cheap_products(compute_dtype):
        return 1
    *kernel_size, _, filters = kernel_shape
    sides = (side for side in (4, 2) if side**2 * filters <= _VECTOR)
    fits = (side for side in sides if all(map(_keeps_its_place, kernel_size, size, (side, side))))
    return next(fits, 1)


def _keeps_its_place(kernel_size: int, size: int | None, side: int) -> bool:
    """Whether a kernel that is longer by `side - 1` has as much SAME padding in front with strides `side`."""
    if size is None:
        return False
    missing = -size % side
    return (kernel_size - 1 + missing) // 2 == (kernel_size - 1) // 2


def _has_cheap_products(compute_dtype: str) -> bool:
    return compute_dtype in ("float16", "bfloat16") and has_matrix_units()


@functools.cache
def has_matrix_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies 16-bit matrices as a whole (AMX); False where it cannot be found out."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return "amx_bf16" in flags.split()
