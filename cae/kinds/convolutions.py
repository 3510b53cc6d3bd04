"""Convolutions of each kind, sums of branches, shortcuts, and groups that encoder and decoder share, as arithmetic."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from cae.kinds.operations import Activation, Operation, PartInput, Shape, Sight, SpaceToDepth, Upsample

if TYPE_CHECKING:
    from cae.config.model import EncoderSection
    from cae.kinds.normalization import Normalization


Padding = Literal["same", "reflect"]
TransposedStart = Literal["glorot", "bilinear", "equal_phases"]
ResidualStyle = Literal["post_activation", "pre_activation", "inner_activation"]


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
    padding: Padding = "same"

    @property
    def macs(self) -> int:
        return math.prod(self.output_shape) * self.kernel_size**2 * self.input_shape[2]

    @property
    def summary(self) -> str:
        strides = f" /{self.strides}" if self.strides > 1 else ""
        reflected = ", reflect" if self.padding == "reflect" else ""
        return f"conv {self.kernel_size}x{self.kernel_size}{strides}{reflected}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (self.kernel_size - 1) * jump, jump * self.strides


@dataclass(frozen=True)
class TransposedConvolution(_Kernel):
    """Transposed convolution to the output shape."""

    start: TransposedStart = field(default="glorot", kw_only=True)

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
    """Branches of operations, added and activated; a branch without operations is the input itself.

    A residual block is x -> activation(x + operations(x)). A branch that begins with `PartInput` takes the image or the
    code itself, and bypasses all operations before it.
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
        if self.is_residual_block:
            convolutions = [op.summary for op in self.operations if isinstance(op, _Kernel)]
            function = f", {self.function}" if self.function != "linear" else ""
            return f"residual block, {len(convolutions)} {convolutions[0]}{function}"
        branches = [[op.summary for op in branch if not isinstance(op, PartInput)] for branch in self.branches]
        of = " of the input" if self.goes_round else ""
        return " plus ".join(", ".join(words) for words in branches) + of

    @property
    def is_residual_block(self) -> bool:
        """Whether what is given is added to what becomes of it."""
        return () in self.branches and not self.goes_round

    def inverted(self) -> Operation:
        return replace(self, branches=tuple(tuple(op.inverted() for op in branch) for branch in self.branches))

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


def main_way(operations: Iterable[Operation]) -> Iterator[Operation]:
    """Operations with sums opened along their first branch: without shortcuts, residual blocks and linear paths."""
    for operation in operations:
        yield from main_way(operation.branches[0]) if isinstance(operation, Sum) else [operation]


def with_padding(operation: Operation, padding: Padding) -> Operation:
    """Convolutions of step 1, in sums as well, with this padding: the others need zeros to get their output's size."""
    match operation:
        case Sum():
            branches = tuple(tuple(with_padding(inner, padding) for inner in branch) for branch in operation.branches)
            return replace(operation, branches=branches)
        case Convolution(strides=1) if operation.kernel_size > 1:
            return replace(operation, padding=padding)
    return operation


def convolution(encoder: EncoderSection, name: str, shape: Shape, filters: int, *, strides: int = 1) -> list[Operation]:
    """Convolution, normalisation, activation."""
    output = (math.ceil(shape[0] / strides), math.ceil(shape[1] / strides), filters)
    conv = Convolution(name, shape, output, encoder.kernel_size, strides, encoder.use_bias)
    return [conv, *activated(encoder, name, output)]


def activated(encoder: EncoderSection, name: str, shape: Shape) -> list[Operation]:
    """Normalisation and activation behind a convolution called `name`."""
    return [
        *normalized(encoder, name, shape),
        Activation(f"{name}_{encoder.activation}", shape, shape, encoder.activation),
    ]


def normalized(encoder: EncoderSection, name: str, shape: Shape) -> list[Normalization]:
    """Normalisation behind a convolution called `name`, if there is one."""
    return encoder.normalization.normalize(f"{name}_norm", shape)


def residual_blocks(encoder: EncoderSection, name: str, shape: Shape, number: int) -> list[Operation]:
    """Residual blocks: two convolutions with a skip, the last layer of which starts at zero.

    A block is then what it was given, whatever its depth (Goyal et al. 2017, section 5.1).

    Args:
        encoder: kernel size, normalisation, activation and style of the blocks.
        name: what their names begin with.
        shape: of what they are given, and give.
        number: of blocks.
    """
    return [_residual_block(encoder, f"{name}_residual_{count}", shape) for count in range(1, number + 1)]


def _residual_block(encoder: EncoderSection, block: str, shape: Shape) -> Operation:
    """He et al. 2016, figure 2; pre-activation: He et al. 2016b, figure 1b; inner activation: Lim et al. 2017."""
    style = encoder.residual_style
    before = activated(encoder, f"{block}_before", shape) if style == "pre_activation" else []
    inside = convolution(encoder, f"{block}_conv_1", shape, shape[2])
    if style != "post_activation":
        last = Convolution(f"{block}_conv_2", shape, shape, encoder.kernel_size, 1, use_bias=True, zero_start=True)
        return Sum(block, shape, shape, ((), (*before, *inside, last)), "linear")
    has_scale = encoder.normalization.has_scale
    norms = [replace(norm, zero_start=has_scale) for norm in normalized(encoder, f"{block}_conv_2", shape)]
    zero_start = not (norms and has_scale)
    last = Convolution(f"{block}_conv_2", shape, shape, encoder.kernel_size, 1, encoder.use_bias, zero_start=zero_start)
    return Sum(block, shape, shape, ((), (*inside, last, *norms)), encoder.activation)


@dataclass(frozen=True)
class SpaceToChannelMean(SpaceToDepth):
    """Means of groups of the channels that squares of pixels become."""

    @property
    def summary(self) -> str:
        return f"space_to_channel {self.factor}x{self.factor}"

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import SpaceToChannelMean2D

        return SpaceToChannelMean2D(self.factor, self.output_shape[2], **options)


@dataclass(frozen=True)
class Duplicate(Upsample):
    """Channels, repeated and as squares of pixels."""

    word = "duplicate"
    layer = "DuplicateToSpace2D"

    def make_layer(self, **options: Any) -> Any:
        return super().make_layer(filters=self.output_shape[2], **options)


def fits(given: int, made: int, factor: int, *, enlarges: bool) -> bool:
    """Whether groups or repetitions of `given` channels make `made` of them."""
    return made * factor**2 % given == 0 if enlarges else given * factor**2 % made == 0


def with_shortcut(name: str, operations: list[Operation], factor: int, *, enlarges: bool) -> list[Operation]:
    """Add the shortcut past operations that make a picture smaller or larger by a factor.

    Args:
        name: what the names of shortcut and sum begin with.
        operations: what it leads past, at least one.
        factor: by how much they change height and width.
        enlarges: whether they make it larger.
    """
    given, made = operations[0].input_shape, operations[-1].output_shape
    kind = Duplicate if enlarges else SpaceToChannelMean
    past = kind(f"{name}_shortcut", given, made, factor)
    return [Sum(f"{name}_sum", given, made, (tuple(operations), (past,)), "linear")]
