"""From operations to steps: which operations are computed together, and in which form, on which device.

A plan says what is computed; a step says how. The steps of `lower` give what the operations give one after the other,
with the same weights, in less time. `cae.model.lowered` computes them. What is exported, drawn or explained is the
plan, which no machine changes.

`_RULES` are the forms, with the neighbouring operations that each one is for. No rule knows a framework.
`python -m benchmarks.training` measures whole training steps, `python -m benchmarks.layers` single forms beside Keras.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cae.kinds.convolutions import Convolution, Sum, TransposedConvolution
from cae.kinds.downsampling import MaxPooling
from cae.kinds.operations import Activation, Operation, Upsample
from cae.kinds.upsampling.subpixel import DepthToSpace

if TYPE_CHECKING:
    from cae.plan.plan import Plan

# Libraries fill vectors of this many float32 with filters: one filter costs nearly as much as sixteen.
_VECTOR = 16
_FEW_FILTERS = 4


@dataclass(frozen=True)
class Device:
    """What decides which form is the faster one.

    Args:
        is_gpu: whether it is a GPU, where nothing was measured.
        has_matrix_units: whether it multiplies 16-bit matrices as a whole (AMX): multiplications of 16-bit floats are
            so cheap then that forms with fewer of them do not pay.
    """

    is_gpu: bool = False
    has_matrix_units: bool = False


@functools.cache
def this_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Device:
    """The processor of this machine; without matrix units where that cannot be found out."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Device()
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return Device(has_matrix_units="amx_bf16" in flags.split())


@dataclass(frozen=True)
class Step:
    """Operations that are computed together; a single one by its Keras layer."""

    operations: tuple[Operation, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image, as it is computed."""
        return sum(operation.macs for operation in self.operations)

    @property
    def form(self) -> str:
        """How it is computed, in a few words; empty where it is as anyone would expect."""
        return ""

    @property
    def rectifies(self) -> bool:
        """Whether its last operation is a rectifier that is computed with the ones before it."""
        return len(self.operations) > 1 and _is_relu(self.operations[-1])


@dataclass(frozen=True)
class FoldedConvolution(Step):
    """Enlarging without weights, a convolution and perhaps a rectifier, as one transposed convolution.

    Enlarging that repeats pixels, or spreads them out, is linear and the same everywhere: with a convolution it is one
    transposed convolution, which never makes the enlarged map. Behind a nearest resize each of its taps is the sum of
    those that see the same pixel: a 3x3 kernel becomes one of 4x4, with 4 / 9 of the multiplications at a factor of 2.
    Behind unpooling without switches it is the kernel turned round.
    """

    @property
    def upsample(self) -> Upsample:
        """The enlarging."""
        return self.operations[0]  # type: ignore[return-value]

    @property
    def convolution(self) -> Convolution:
        """The convolution behind it."""
        return self.operations[1]  # type: ignore[return-value]

    @property
    def kernel_size(self) -> int:
        """Side of the folded kernel: behind a resize each tap is seen by `factor` pixels along a side."""
        return self.convolution.kernel_size + (self.upsample.repeats or 1) - 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the transposed convolution for one image."""
        return math.prod(self.upsample.input_shape) * self.kernel_size**2 * self.convolution.output_shape[2]

    @property
    def form(self) -> str:
        """The transposed convolution, and what it spares."""
        side = self.kernel_size
        return f"one conv_transpose {side}x{side}, {self.macs:,} MACs instead of {self.convolution.macs:,}"


@dataclass(frozen=True)
class RectifiedTransposedConvolution(Step):
    """A transposed convolution, whose bias is added and which is rectified in one pass."""

    @property
    def convolution(self) -> TransposedConvolution:
        """The convolution, tied or not."""
        return self.operations[0]  # type: ignore[return-value]

    @property
    def form(self) -> str:
        """One pass."""
        return "bias and relu in one pass"


@dataclass(frozen=True)
class PoolingBeforeRelu(Step):
    """Max pooling of rectified values: the maximum is rectified, which is the same with fewer values."""

    @property
    def pool(self) -> MaxPooling:
        """The pooling."""
        return self.operations[1]  # type: ignore[return-value]

    @property
    def form(self) -> str:
        """The order."""
        return "pooled before they are rectified"

    @property
    def rectifies(self) -> bool:
        """Always."""
        return True


@dataclass(frozen=True)
class ReluBeforeOpening(Step):
    """Rectified sub-pixels: channels are rectified first, which TensorFlow does within the convolution before."""

    @property
    def form(self) -> str:
        """The order."""
        return "rectified before channels become pixels"


@dataclass(frozen=True)
class GeluInOnePass(Step):
    """GELU as one pass forward and one back, where TensorFlow takes some dozen; it keeps its inputs alone.

    It takes half of the time in float32, and a third in bfloat16. Other activations were tried: what is made
    of `exp` and `tanh` is slower compiled.
    """

    @property
    def form(self) -> str:
        """One pass."""
        return "gelu in one pass"


@dataclass(frozen=True)
class FewFilters(Step):
    """A convolution to few filters, several pixels at once.

    A convolution to one or three filters takes nearly as long as one to sixteen, since each vector of numbers holds one
    or three. Squares of pixels that fill a vector take 0.4 to 0.65 of the time, forward and backward.

    Args:
        pixels: side of the squares that are computed at once.
    """

    pixels: int

    @property
    def convolution(self) -> Convolution:
        """The convolution."""
        return self.operations[0]  # type: ignore[return-value]

    @property
    def form(self) -> str:
        """How many pixels."""
        return f"{self.pixels}x{self.pixels} pixels at once" if self.pixels > 1 else ""


@dataclass(frozen=True)
class Branches(Step):
    """A sum of branches without its activation.

    Args:
        branches: the steps of each; none where what is given is added itself.
    """

    branches: tuple[tuple[Step, ...], ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of all branches."""
        return tuple(itertools.chain.from_iterable(self.branches))

    @property
    def macs(self) -> int:
        """Of what is inside."""
        return lowered_macs(self.steps)


@dataclass(frozen=True)
class _Target:
    """What steps are made for."""

    device: Device
    dtype: str
    training: bool

    @property
    def multiplications_count(self) -> bool:
        """Whether forms with fewer multiplications are the faster ones."""
        has_cheap_ones = self.dtype in ("float16", "bfloat16") and self.device.has_matrix_units
        return not (self.device.is_gpu or has_cheap_ones)


def lower(operations: Iterable[Operation], device: Device, dtype: str, *, training: bool) -> list[Step]:
    """Make steps of operations.

    Args:
        operations: a plan's, or those of its encoder or decoder.
        device: what they are computed on.
        dtype: float type of the computation: `float32`, `bfloat16` and so on.
        training: whether gradients are computed, too. Some forms spare work in the gradients only.

    Returns:
        The steps in their order. Each operation is in one of them.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> section = ModelSection.model_validate({"decoder": {"upsampling": "resize"}})
        >>> plan = make_plan(section, (28, 28, 1))
        >>> steps = lower(plan.decoder, Device(), "float32", training=True)
        >>> [operation.name for operation in steps[2].operations]
        ['stage_2_resize', 'stage_2_conv_1', 'stage_2_conv_1_relu']
        >>> steps[2].form
        'one conv_transpose 4x4, 1,605,632 MACs instead of 3,612,672'
    """
    target = _Target(device, dtype, training)
    waiting, steps = list(_opened(operations)), list[Step]()
    while waiting:
        steps.append(next(step for rule in _RULES if (step := rule(waiting, target))))
        del waiting[: len(steps[-1].operations)]
    return steps


def lowered_macs(steps: Iterable[Step]) -> int:
    """Multiply-accumulates of one forward pass of one image, as the steps compute it."""
    return sum(step.macs for step in steps)


def computed_macs(plan: Plan) -> int:
    """Multiply-accumulates of one forward pass of one image with folded forms, in single precision on a plain CPU.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> plan = make_plan(ModelSection.model_validate({"decoder": {"upsampling": "resize"}}), (28, 28, 1))
        >>> computed_macs(plan) < plan.macs
        True
    """
    return lowered_macs(lower(plan.operations, Device(), "float32", training=False))


def flat_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """Steps with sums opened: what is inside, then the sum itself, which adds."""
    for step in steps:
        if isinstance(step, Branches):
            yield from flat_steps(step.steps)
        yield step


def format_steps(steps: Iterable[Step]) -> list[str]:
    """Say which operations are computed otherwise than one after the other; one line for each such step."""
    return [f"{' + '.join(op.name for op in step.operations)}: {step.form}" for step in flat_steps(steps) if step.form]


def _opened(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Operations with the activations behind sums as operations of their own."""
    for operation in operations:
        if isinstance(operation, Sum):
            yield dataclasses.replace(operation, function="linear")
            yield Activation(operation.name, operation.output_shape, operation.output_shape, operation.function)
        else:
            yield operation


def _fold(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [Upsample() as upsample, Convolution(padding="same") as convolution, *others]:
            # Another order of sums is worth it only where multiplications are spared.
            if not target.multiplications_count or convolution.kernel_size == 1 or upsample.repeats is None:
                return None
            relu = tuple(others[:1]) if target.training and convolution.use_bias and _is_relu(*others[:1]) else ()
            return FoldedConvolution((upsample, convolution, *relu))
    return None


def _rectify_transposed(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [TransposedConvolution(use_bias=True) as convolution, relu, *_] if target.training and _is_relu(relu):
            return RectifiedTransposedConvolution((convolution, relu))
    return None


def _pool_before_relu(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [relu, MaxPooling() as pool, *_] if target.training and _is_relu(relu):
            return PoolingBeforeRelu((relu, pool))
    return None


def _relu_before_opening(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [DepthToSpace() as upsample, relu, *_] if target.training and _is_relu(relu):
            return ReluBeforeOpening((upsample, relu))
    return None


def _gelu_in_one_pass(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [Activation(function="gelu") as gelu, *_] if target.training and not target.device.is_gpu:
            return GeluInOnePass((gelu,))
    return None


def _few_filters(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [Convolution(strides=1, padding="same") as convolution, *_]:
            has_few = convolution.output_shape[2] <= _FEW_FILTERS and convolution.kernel_size > 1
            if has_few and not target.device.is_gpu:
                return FewFilters((convolution,), _pixels_at_once(convolution) if target.multiplications_count else 1)
    return None


def _pixels_at_once(convolution: Convolution) -> int:
    """As many as fill a vector with all their filters: 4 by 4 for one filter, 2 by 2 for up to four.

    Single ones where SAME padding of strides would move the kernel.
    """
    for side in (4, 2):
        kept = all(_keeps_its_place(convolution.kernel_size, size, side) for size in convolution.output_shape[:2])
        if side**2 * convolution.output_shape[2] <= _VECTOR and kept:
            return side
    return 1


def _keeps_its_place(kernel_size: int, size: int, side: int) -> bool:
    """Whether a kernel that is longer by `side - 1` has as much SAME padding in front with strides `side`."""
    return (kernel_size - 1 + -size % side) // 2 == (kernel_size - 1) // 2


def _branch(waiting: Sequence[Operation], target: _Target) -> Step | None:
    match waiting:
        case [Sum() as total, *_]:
            branches = (
                lower(branch, target.device, target.dtype, training=target.training) for branch in total.branches
            )
            return Branches((total,), tuple(map(tuple, branches)))
    return None


def _by_itself(waiting: Sequence[Operation], target: _Target) -> Step | None:
    return Step((waiting[0],))


def _is_relu(operation: Operation | None = None) -> bool:
    return isinstance(operation, Activation) and operation.function == "relu"


# The first one that gives a step is taken.
_RULES: tuple[Callable[[Sequence[Operation], _Target], Step | None], ...] = (
    _fold,
    _rectify_transposed,
    _pool_before_relu,
    _relu_before_opening,
    _gelu_in_one_pass,
    _few_filters,
    _branch,
    _by_itself,
)
