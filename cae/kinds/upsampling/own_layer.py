"""Upsampling by a Keras layer of your own, which `cae.register_upsampling` adds to the list."""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cae.errors import UserError, first_line
from cae.kinds.downsampling import DownsamplingKind
from cae.kinds.operations import LayerOperation, Operation, Shape, Switches, Upsample
from cae.kinds.upsampling import DOWNSAMPLING, Place, Stage, UpsamplingKind
from cae.section import Conflict


@dataclass(frozen=True)
class OwnUpsampling(Upsample):
    """What a registered layer does; how many multiply-accumulates it takes is not known, and not counted."""

    kind: str
    weights: int
    layer_class: type[Any] = field(compare=False, repr=False)

    is_linear = False  # as far as anyone knows

    @property
    def parameters(self) -> int:
        return self.weights

    @property
    def word(self) -> str:  # type: ignore[override]
        """What the plan calls the operation."""
        return self.kind

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return math.inf, jump / self.factor

    def make_layer(self, **options: Any) -> Any:
        import keras

        layer = self.layer_class(**options)
        layer(keras.KerasTensor((None, *self.input_shape), dtype=layer.compute_dtype))  # makes its weights
        return layer


@dataclass(frozen=True)
class Crop(LayerOperation):
    """What is too much for the output shape is cut off: half of it, rounded down, from the top and left."""

    @property
    def summary(self) -> str:
        return "crop"

    def make_layer(self, **options: Any) -> Any:
        import keras

        excess = [size - kept for size, kept in zip(self.input_shape[:2], self.output_shape[:2], strict=True)]
        return keras.layers.Cropping2D([(more // 2, more - more // 2) for more in excess], **options)


@dataclass(frozen=True)
class OwnPooling(LayerOperation):
    """What a registered layer does; its multiply-accumulates are not known, and not counted."""

    factor: int
    kind: str
    weights: int
    layer_class: type[Any] = field(compare=False, repr=False)

    @property
    def parameters(self) -> int:
        return self.weights

    @property
    def summary(self) -> str:
        return f"{self.kind} {self.factor}x{self.factor}"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return math.inf, jump * self.factor

    make_layer = OwnUpsampling.make_layer


class OwnDownsampling(DownsamplingKind):
    """A registered layer."""

    can_be_tied = False
    layer_class: ClassVar[type[Any]]
    """Made with `name` and `dtype` only."""
    layer_factor: ClassVar[int]
    """How many times lower and narrower its output is."""

    @property
    def factor(self) -> int:
        return self.layer_factor

    def pool(self, name: str, shape: Shape, *, switches: Switches | None) -> list[Operation]:
        """See `DownsamplingKind`; there are no switches."""
        wanted = (math.ceil(shape[0] / self.factor), math.ceil(shape[1] / self.factor), shape[2])
        pooled, weights = _look_at(self.layer_class, self.kind, self.factor, shape, wanted)  # type: ignore[arg-type]
        return [OwnPooling(name, shape, pooled, self.factor, self.kind, weights, self.layer_class)]


class OwnLayer(UpsamplingKind):
    """A registered layer, then a convolution."""

    can_be_tied = False
    layer_class: ClassVar[type[Any]]
    """Made with `name` and `dtype` only."""
    layer_factor: ClassVar[int]
    """How many times higher and wider its output is."""

    def enlarge(self, stage: Stage) -> list[Operation]:
        factor, (height, width, _) = self.layer_factor, stage.given
        wanted = (height * factor, width * factor, None)
        enlarged, weights = _look_at(self.layer_class, self.kind, factor, stage.given, wanted)  # type: ignore[arg-type]
        name, output = f"{stage.name}_{self.kind}", (*stage.size, enlarged[2])
        enlarging = OwnUpsampling(name, stage.given, enlarged, stage.factor, self.kind, weights, self.layer_class)
        return [enlarging] if enlarged == output else [enlarging, Crop(f"{name}_crop", enlarged, output)]

    def conflicts(self, place: Place) -> Iterator[Conflict]:
        factor = place.encoder.downsampling.factor
        if factor != self.layer_factor:
            rule = f"{self.kind} enlarges by {self.layer_factor}, by which the encoder's stages must shrink"
            yield (place.path, DOWNSAMPLING), f"{rule}; received {factor}"


@functools.lru_cache(maxsize=1024)
def _look_at(
    layer_class: Callable[[], Any], kind: str, factor: int, given: Shape, wanted: tuple[int, int, int | None]
) -> tuple[Shape, int]:
    """A layer's output shape for an input shape, and its number of weights; None where the layer chooses channels."""
    import keras

    name = getattr(layer_class, "__name__", kind)
    try:
        with seeded(0):
            layer = layer_class()
            outputs = layer(keras.KerasTensor((None, *given), dtype=layer.compute_dtype))
        shape = tuple(outputs.shape)
    except Exception as error:
        raise UserError(
            f"{kind}: the layer {name} fails on maps of shape {(None, *given)}: {type(error).__name__}:"
            f" {first_line(error)}"
        ) from error
    sides, channels = wanted[:2], wanted[2]
    is_right = len(shape) == 4 and shape[1:3] == sides and isinstance(shape[3], int)
    if not is_right or channels not in (None, shape[3]):
        raise UserError(
            f"{kind}: the layer {name} must give shape {(None, *sides, channels or 'channels')} for {(None, *given)},"
            f" as it is registered with factor {factor}. Received: {shape}."
        )
    return (shape[1], shape[2], shape[3]), layer.count_params()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the initializers that have no seed of their own; Keras draws theirs from Python's generator."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
