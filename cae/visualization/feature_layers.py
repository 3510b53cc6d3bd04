"""Which layers of an encoder can be looked at, and exactly which pixels a value of each sees."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cae.errors import ConfigError
from cae.kinds.activation import ACTIVATIONS
from cae.kinds.convolutions import Convolution, Sum
from cae.kinds.operations import Activation, Dense, Operation, PartInput, Pool, Shape, SpaceToDepth
from cae.plan import Plan
from cae.plan.plan import grouped


@dataclass(frozen=True)
class FeatureLayer:
    """A place in the encoder whose feature maps can be looked at.

    Args:
        name: the name of its first operation in the plan, as `describe` prints it.
        path: the operations from the image to it; inside a residual block, without the block's skip.
        aliases: the names of the operations that belong to it, and `stage_N` if it is what a stage gives.
        kernel: the convolution or dense layer that makes its maps; None for poolings.
        is_rectified: whether its values come out of a rectifier, so that a map without one above 0 is dead.
    """

    name: str
    path: tuple[Operation, ...]
    aliases: tuple[str, ...]
    kernel: Operation | None
    is_rectified: bool
    shape: Shape = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", self.path[-1].output_shape)

    @property
    def num_maps(self) -> int:
        """Its feature maps."""
        return self.shape[2]

    @property
    def field_size(self) -> tuple[int, int]:
        """Height and width in pixels of what one of its values sees, at most the image's."""
        rows, columns = receptive_field(self.path, 0, 0)
        return rows.side, columns.side


def find_feature_layers(plan: Plan) -> list[FeatureLayer]:
    """List the activation of each convolution, the output of each stage and the latent, from the image on.

    A convolution counts with its normalisation and activation, a residual block's last convolution with the block.
    Where a stage ends with a convolution or a block, its output is that layer; without a bottleneck the latent is the
    last stage's output. Nothing is listed twice.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> [layer.name for layer in find_feature_layers(make_plan(ModelSection(), (28, 28, 1)))]
        ['stage_1_conv_1', 'stage_1_pool', 'stage_2_conv_1', 'stage_2_pool', 'latent']
    """
    layers = list(_layers(plan.encoder, ()))
    stages = {layer.name: "_".join(layer.name.split("_")[:2]) for layer in layers if layer.name.startswith("stage_")}
    # Of the layers of a stage the last one stays.
    last = {stage: name for name, stage in stages.items()}
    return [
        replace(layer, aliases=(*layer.aliases, stages[layer.name])) if layer.name in last.values() else layer
        for layer in layers
    ]


def choose_layers(layers: Sequence[FeatureLayer], name: str | None) -> list[FeatureLayer]:
    """Choose the layer of a name or alias, or all of them without a name.

    Raises:
        ConfigError: if there is no such layer; lists those there are.
    """
    chosen = [layer for layer in layers if name is None or name == layer.name or name in layer.aliases]
    if not chosen:
        names = ", ".join(layer.name for layer in layers)
        raise ConfigError(f"--layer must name a layer of the encoder: {names}. Received: {name}.")
    return chosen


def _layers(operations: Sequence[Operation], before: tuple[Operation, ...]) -> Iterator[FeatureLayer]:
    function = "linear"
    for group in grouped(operations):
        function = _function(group, function)
        first, path, aliases = group[0], (*before, *group), tuple(operation.name for operation in group)
        if first.name == "stem":  # the pixels themselves
            before = path
            continue
        kernel: Operation | None = first if isinstance(first, Convolution | Dense) else None
        if isinstance(first, Sum) and not first.is_residual_block:
            yield from _layers(first.branches[0], before)
        elif isinstance(first, Sum):
            *inside, last = grouped(first.operations)
            yield from _layers([operation for inner in inside for operation in inner], before)
            kernel, aliases = last[0], (*aliases, *(operation.name for operation in last))
        yield FeatureLayer(first.name, path, aliases, kernel, ACTIVATIONS[function].is_rectifier)
        before = path


def _function(group: Sequence[Operation], function: str) -> str:
    """The activation that the values behind a group come out of; pooling and dropout leave that of the group before."""
    if isinstance(group[0], Convolution | Dense):
        function = "linear"
    for operation in group:
        if isinstance(operation, Sum) or (isinstance(operation, Activation) and operation.function != "linear"):
            function = operation.function
    return function


@dataclass(frozen=True)
class Span:
    """What a value sees along one side of the image, in pixels.

    Args:
        first: the first pixel.
        last: the last pixel.
        before: how many pixels of its whole field lie before the image's border.
        side: length of the whole field, or of the image where that is shorter.
    """

    first: int
    last: int
    before: int
    side: int


def receptive_field(path: Sequence[Operation], row: int, column: int) -> tuple[Span, Span]:
    """Find the rows and the columns of the image that a value depends on.

    Padding `same` puts half of what is missing, rounded down, before the first pixel, so fields are followed back
    operation by operation, and clipped to the picture at each. Behind a dense layer it is the whole image. Where
    strides are longer than a kernel, pixels between those that are seen are counted in. The statistics of group
    normalisation, which come from the whole image, are not followed; neither does the plan. Mirrored borders
    show pixels of the field once more; with a kernel of an even side also one past the field, which is not counted.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> plan = make_plan(ModelSection(), (28, 28, 1))
        >>> receptive_field(plan.encoder[:3], 0, 5)  # a convolution, its activation, a pooling
        (Span(first=0, last=2, before=1, side=4), Span(first=9, last=12, before=0, side=4))

    Args:
        path: operations from the image to the feature map.
        row: of the value in its map, from 0.
        column: of the value in its map, from 0.
    """
    return _span(path, 0, row), _span(path, 1, column)


def crop_to_field(image: np.ndarray, field: tuple[Span, Span], outside: Sequence[float]) -> np.ndarray:
    """Cut a field out of an image; what of it lies beyond the border has the colour `outside`.

    All crops of one layer have one size, so that the places of a pattern can be compared.

    Args:
        image: shape (height, width, channels).
        field: from `receptive_field`.
        outside: one value for each channel.
    """
    rows, columns = field
    crop = np.empty((rows.side, columns.side, image.shape[2]), image.dtype)
    crop[:] = outside
    inside = image[rows.first : rows.last + 1, columns.first : columns.last + 1]
    crop[rows.before : rows.before + inside.shape[0], columns.before : columns.before + inside.shape[1]] = inside
    return crop


def _span(path: Sequence[Operation], axis: int, position: int) -> Span:
    spans = [_span_along(way, axis, position) for way in _ways_from_the_image(path)]
    start = min(first for first, _, _, _ in spans)
    end = max(last for _, last, _, _ in spans)
    first, last = min(first for _, _, first, _ in spans), max(last for _, _, _, last in spans)
    length = path[0].input_shape[axis]
    if end - start + 1 > length:
        return Span(first, last, first, length)
    return Span(first, last, first - start, end - start + 1)


def _ways_from_the_image(path: Sequence[Operation]) -> Iterator[Sequence[Operation]]:
    """The path, and where a sum in it has a branch that begins at the image, the way along that branch instead."""
    for place, operation in enumerate(path):
        if isinstance(operation, Sum) and operation.goes_round:
            for branch in operation.branches:
                begins = bool(branch) and isinstance(branch[0], PartInput)
                yield [*(() if begins else path[:place]), *branch[begins:], *path[place + 1 :]]
            return
    yield path


def _span_along(path: Sequence[Operation], axis: int, position: int) -> tuple[int, int, int, int]:
    """First and last pixel of the field as if there were no borders, and of what lies within them at each step."""
    start = end = first = last = position
    for operation in reversed(path):
        start, end = _back(operation, axis, start, end)
        first, last = _back(operation, axis, first, last)
        first, last = max(first, 0), min(last, operation.input_shape[axis] - 1)
    return start, end, first, last


def _back(operation: Operation, axis: int, first: int, last: int) -> tuple[int, int]:
    """From the values that are needed of an operation's output to those of its input."""
    if isinstance(operation, Convolution):
        return _window(operation, axis, operation.kernel_size, operation.strides, first, last)
    if isinstance(operation, Pool):
        return _window(operation, axis, operation.pool_size, operation.pool_size, first, last)
    if isinstance(operation, SpaceToDepth):
        return first * operation.factor, last * operation.factor + operation.factor - 1
    if isinstance(operation, Sum):
        spans = [_back_along(branch, axis, first, last) for branch in operation.branches]
        return min(start for start, _ in spans), max(end for _, end in spans)
    if math.isinf(operation.reach(1.0, 1.0)[0]):
        return 0, operation.input_shape[axis] - 1
    return first, last


def _back_along(operations: Sequence[Operation], axis: int, first: int, last: int) -> tuple[int, int]:
    for operation in reversed(operations):
        first, last = _back(operation, axis, first, last)
    return first, last


def _window(operation: Operation, axis: int, size: int, step: int, first: int, last: int) -> tuple[int, int]:
    length, windows = operation.input_shape[axis], operation.output_shape[axis]
    before = max((windows - 1) * step + size - length, 0) // 2
    return first * step - before, last * step - before + size - 1
