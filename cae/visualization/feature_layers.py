"""Which layers of an encoder can be looked at, and the way to each from the image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from cae.errors import ConfigError
from cae.plan import Plan
from cae.plan.convolutions import Convolution, Residual
from cae.plan.groups import grouped
from cae.plan.operations import Activation, Dense, Operation, Shape
from cae.visualization.receptive import receptive_field
from cae.visualization.rectifiers import is_rectifier


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


def operations_on(path: Iterable[Operation]) -> Iterator[Operation]:
    """The operations of a path, with those inside of residual blocks before the block itself."""
    for operation in path:
        if isinstance(operation, Residual):
            yield from operation.operations
        yield operation


def _layers(operations: Sequence[Operation], before: tuple[Operation, ...]) -> Iterator[FeatureLayer]:
    function = "linear"
    for group in grouped(operations):
        function = _function(group, function)
        first, path, aliases = group[0], (*before, *group), tuple(operation.name for operation in group)
        kernel: Operation | None = first if isinstance(first, Convolution | Dense) else None
        if isinstance(first, Residual):
            *inside, last = grouped(first.operations)
            yield from _layers([operation for inner in inside for operation in inner], before)
            kernel, aliases = last[0], (*aliases, *(operation.name for operation in last))
        yield FeatureLayer(first.name, path, aliases, kernel, is_rectifier(function))
        before = path


def _function(group: Sequence[Operation], function: str) -> str:
    """The activation that the values behind a group come out of; pooling and dropout leave that of the group before."""
    if isinstance(group[0], Convolution | Dense):
        function = "linear"
    for operation in group:
        if isinstance(operation, Residual) or (isinstance(operation, Activation) and operation.function != "linear"):
            function = operation.function
    return function
