"""Which of two forms of the same function is the faster one: it knows no framework.

A nearest resize and its convolution can be computed as one transposed convolution (`cae.layers.ResizeConv2D`). Folded
so, a 3x3 kernel behind a resize by 2 takes 4 / 9 of the multiplications, and the enlarged map is never stored. A
convolution to few filters can be computed as matrix products (`cae.layers.Conv2D`). `python -m benchmarks.layers`
measures the first against Keras' resize and convolution, `python -m benchmarks.training` whole steps with both.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

Size = tuple[int | None, int | None]

# Libraries fill their vectors with filters, so that one filter costs as much as eight or sixteen.
_FEW_FILTERS = 4


def can_fold(size: Size, output_size: Size | None, factor: int) -> bool:
    """Whether a resize by `factor` from `size` to `output_size` and a convolution behind it are one convolution.

    A map that is cropped after enlarging is not folded: its border would see what was cut off.

    Example:
        >>> can_fold((8, 8), (16, 16), 2), can_fold((8, 8), (15, 16), 2)
        (True, False)
    """
    if output_size is None:
        return True
    return all(n is not None and target == factor * n for n, target in zip(size, output_size, strict=True))


def folding_is_faster(kernel_size: int, compute_dtype: str, *, on_gpu: bool = False) -> bool:
    """Whether the folded form is the faster one.

    On a CPU it is, by about two, but for 16-bit floats on processors with matrix units for them (AMX): there
    multiplications are so cheap that the plain form wins. On a GPU nothing was measured, so the plain form stays.

    Args:
        kernel_size: side of the convolution's kernel; folding spares nothing at 1.
        compute_dtype: float type of the computation.
        on_gpu: whether it runs on a GPU.
    """
    has_cheap_products = compute_dtype in ("float16", "bfloat16") and has_matrix_units()
    return kernel_size > 1 and not on_gpu and not has_cheap_products


def is_narrow(kernel_shape: Sequence[int]) -> bool:
    """Whether matrix products are faster than a convolution on a CPU.

    Example:
        >>> is_narrow((3, 3, 32, 3)), is_narrow((3, 3, 16, 3)), is_narrow((3, 3, 512, 16))
        (True, False, False)

    Args:
        kernel_shape: (height, width, channels, filters).
    """
    height, width, channels, filters = kernel_shape
    return filters <= _FEW_FILTERS and height * width > 1 and height * width * filters <= channels


@functools.cache
def has_matrix_units(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor multiplies 16-bit matrices as a whole (AMX); False where it cannot be found out."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return "amx_bf16" in flags.split()
