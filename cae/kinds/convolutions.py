"""Convolutions of each kind, and sums of branches of them, as arithmetic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cae.kinds.operations import Operation, PartInput, Sight


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
    zero_start: bool = False
    trainable: bool = True

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
class Sum(Operation):
    """Branches of operations, added and activated; a branch without operations is what is given itself.

    A residual block is x -> activation(x + operations(x)). A branch that begins with `PartInput` goes round all that is
    before it.
    """

    branches: tuple[tuple[Operation, ...], ...]
    function: str

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations of all branches."""
        return tuple(itertools.chain.from_iterable(self.branches))

    @property
    def goes_round(self) -> bool:
        """Whether a branch begins anew with what the encoder or the decoder was given."""
        return any(isinstance(operation, PartInput) for operation in self.operations)

    @property
    def parameters(self) -> int:
        return sum(operation.parameters for operation in self.operations)

    @property
    def macs(self) -> int:
        return sum(operation.macs for operation in self.operations)

    @property
    def summary(self) -> str:
        if self.goes_round:
            return (
                f"plus {', '.join(op.summary for op in self.operations if not isinstance(op, PartInput))} of the input"
            )
        convolutions = [op.summary for op in self.operations if isinstance(op, _Kernel)]
        return f"residual block, {len(convolutions)} {convolutions[0]}, {self.function}"

    def see(self, given: Sight, start: Sight) -> Sight:
        ends = [_see_along(branch, given, start) for branch in self.branches]
        return Sight(max(end.field for end in ends), ends[0].jump, max(end.aside for end in ends))


def _see_along(operations: Iterable[Operation], given: Sight, start: Sight) -> Sight:
    for operation in operations:
        given = operation.see(given, start)
    return given


def flat(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Operations with sums opened: what is inside, then the sum itself, which adds and activates."""
    for operation in operations:
        if isinstance(operation, Sum):
            yield from flat(operation.operations)
        yield operation
