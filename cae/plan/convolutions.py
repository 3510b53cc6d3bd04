"""Convolutions of each kind, and blocks of them with a skip around, as arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cae.forms import folded_side
from cae.plan.operations import INTERPOLATION_SUPPORT, Operation


@dataclass(frozen=True)
class _Kernel(Operation):
    """What slides a square kernel, padding `same`."""

    kernel_size: int
    strides: int
    use_bias: bool

    @property
    def parameters(self) -> int:
        filters = self.output_shape[2]
        return self.kernel_size**2 * self.input_shape[2] * filters + (filters if self.use_bias else 0)

    @property
    def uneven_windows(self) -> int:
        return int(self.strides == 1 and self.kernel_size % 2 == 0)


@dataclass(frozen=True)
class Convolution(_Kernel):
    """Convolution."""

    # With depth to space behind it: the factor, so that the start can make all sub-pixels alike.
    subpixel_factor: int = 1

    @property
    def macs(self) -> int:
        return math.prod(self.output_shape) * self.kernel_size**2 * self.input_shape[2]

    @property
    def summary(self) -> str:
        strides = f" /{self.strides}" if self.strides > 1 else ""
        return f"conv {self.kernel_size}x{self.kernel_size}{strides}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (self.kernel_size - 1) * jump, jump * self.strides


@dataclass(frozen=True)
class EnlargingConvolution(_Kernel):
    """Enlarging by `factor` without weights, then convolution.

    `enlarging` is `nearest` or `bilinear`, which are resizing, or `fixed_unpool`.
    """

    factor: int
    enlarging: str

    @property
    def macs(self) -> int:
        return math.prod(self.output_shape) * self.kernel_size**2 * self.input_shape[2]

    @property
    def folded_kernel_size(self) -> int:
        """Side of the kernel where both are computed as one transposed convolution (see `cae.forms`)."""
        return folded_side(self.enlarging, self.kernel_size, self.factor)

    @property
    def folded_macs(self) -> int:
        """Multiply-accumulates for one image where both are computed as one transposed convolution."""
        pixels = math.prod(self.input_shape[:2]) * self.folded_kernel_size**2
        if self.enlarging == "bilinear":
            # Along each side a frame of so many lines is convolved apart.
            height, width, _ = self.output_shape
            lines = self.factor // 2 + self.kernel_size // 2
            pixels += 2 * self.kernel_size * (width * min(lines, height) + height * min(lines, width))
        return pixels * self.input_shape[2] * self.output_shape[2]

    @property
    def summary(self) -> str:
        resize = "" if self.enlarging == "fixed_unpool" else "resize "
        return f"{resize}{self.enlarging} x{self.factor}, conv {self.kernel_size}x{self.kernel_size}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        support = INTERPOLATION_SUPPORT.get(self.enlarging, 1)
        finer = jump / self.factor
        return field + (support - 1) * jump + (self.kernel_size - 1) * finer, finer


@dataclass(frozen=True)
class TransposedConvolution(_Kernel):
    """Transposed convolution to the output shape."""

    @property
    def macs(self) -> int:
        return math.prod(self.input_shape) * self.kernel_size**2 * self.output_shape[2]

    @property
    def summary(self) -> str:
        return f"conv_transpose {self.kernel_size}x{self.kernel_size} x{self.strides}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        taps = math.ceil(self.kernel_size / self.strides)
        return field + (taps - 1) * jump, jump / self.strides


@dataclass(frozen=True)
class TiedConvolution(TransposedConvolution):
    """Transposed convolution with the kernel of an encoder convolution; only its bias is its own."""

    tied_to: str

    @property
    def parameters(self) -> int:
        return self.output_shape[2] if self.use_bias else 0

    @property
    def summary(self) -> str:
        factor = f" x{self.strides}" if self.strides > 1 else ""
        return f"conv_transpose {self.kernel_size}x{self.kernel_size}{factor}, tied"


@dataclass(frozen=True)
class Residual(Operation):
    """Operations with a skip around them, added and activated: x -> activation(x + operations(x))."""

    operations: tuple[Operation, ...]
    function: str

    @property
    def parameters(self) -> int:
        return sum(operation.parameters for operation in self.operations)

    @property
    def macs(self) -> int:
        return sum(operation.macs for operation in self.operations)

    @property
    def uneven_windows(self) -> int:
        return sum(operation.uneven_windows for operation in self.operations)

    @property
    def summary(self) -> str:
        convolutions = [op.summary for op in self.operations if isinstance(op, _Kernel)]
        return f"residual block, {len(convolutions)} {convolutions[0]}, {self.function}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        for operation in self.operations:
            field, jump = operation.reach(field, jump)
        return field, jump
