"""The operations a network is made of, as arithmetic: shapes, parameters and multiply-accumulates.

Convolutions are in `cae.kinds.convolutions`, all others here.

Shapes are (height, width, channels) of one image. Multiply-accumulates count convolutions and dense layers;
fixed interpolation, normalisation and activations cost little beside them and are left out.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

Shape = tuple[int, int, int]


class Sight(NamedTuple):
    """What one value sees of the image, in pixels."""

    field: float = 1.0
    """Side of the square that it sees; infinite behind a dense layer."""
    jump: float = 1.0
    """Distance between two neighbouring values."""
    aside: float = 0.0
    """By how much windows of an even side let it see further to one side."""


@dataclass(frozen=True)
class Operation(abc.ABC):
    """One step of the network: takes `input_shape`, gives `output_shape`."""

    name: str
    input_shape: Shape
    output_shape: Shape

    @property
    def parameters(self) -> int:
        """Number of weights, trainable or not."""
        return 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return 0

    @property
    @abc.abstractmethod
    def summary(self) -> str:
        """What the operation is, in a few words."""

    @property
    def uneven_windows(self) -> int:
        """How many windows of an even side move by single steps: each sees further to one side by half a step."""
        return 0

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        """Carry the receptive field through the operation.

        Args:
            field: side, in image pixels, of the square that one input value sees.
            jump: distance in image pixels between two neighbouring input values.

        Returns:
            The same two for the output values (Araujo et al. 2019, section 2).
        """
        return field, jump

    def inverted(self) -> Operation:
        """The operation as it is in the decoder, for what has an inverse."""
        return self

    def see(self, given: Sight, start: Sight) -> Sight:
        """Carry what a value sees through the operation.

        Args:
            given: what the values that it is given see.
            start: what those see that the encoder or the decoder was given.
        """
        field, jump = self.reach(given.field, given.jump)
        return Sight(field, jump, given.aside + self.uneven_windows * given.jump / 2)


@dataclass(frozen=True)
class PartInput(Operation):
    """Begins a branch anew: gives what the encoder (the image) or the decoder (the code) was given."""

    @property
    def summary(self) -> str:
        return "input"

    def see(self, given: Sight, start: Sight) -> Sight:
        return start


@dataclass(frozen=True)
class LayerOperation(Operation):
    """An operation that says itself which Keras layer it is."""

    is_linear: ClassVar[bool] = False
    """Whether it answers a sum of maps, each of them constant, with the sum of its answers."""

    @abc.abstractmethod
    def make_layer(self, **options: Any) -> Any:
        """Make the Keras layer; options are `name` and `dtype`. Keras is imported here, and not before."""


@dataclass(frozen=True)
class SpaceToDepth(LayerOperation):
    """Each square of pixels becomes the channels of one; squares are counted from the top left."""

    factor: int

    @property
    def summary(self) -> str:
        return f"space_to_depth {self.factor}x{self.factor}"

    def make_layer(self, **options: Any) -> Any:
        from cae.layers import SpaceToDepth2D

        return SpaceToDepth2D(self.factor, **options)

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (self.factor - 1) * jump, jump * self.factor


class Switches(NamedTuple):
    """What a pooling records for the decoder, and what the decoder is trained with."""

    of: Literal["per_channel", "per_place"] = "per_channel"
    """Whether each channel has a switch of its own, or all channels of a place share one."""
    shuffled: bool = False
    """Whether the decoder is trained and measured with those of another image."""


@dataclass(frozen=True)
class Pool(LayerOperation):
    """Pooling over square windows that do not overlap, padding `same`; each kind has its own."""

    pool_size: int
    switches: Switches | None = None

    word: ClassVar[str]
    """What it is called in a plan."""
    layer: ClassVar[str]
    """Name of its class in Keras."""

    @property
    def summary(self) -> str:
        words = f"{self.word} {self.pool_size}x{self.pool_size}"
        if self.switches is None:
            return words
        words += " with a switch a place" if self.switches.of == "per_place" else " with switches"
        return f"{words} of another image" if self.switches.shuffled else words

    @property
    def records_switches(self) -> bool:
        """Whether it records where the maxima were."""
        return self.switches is not None

    def make_layer(self, **options: Any) -> Any:
        import keras

        return getattr(keras.layers, self.layer)(self.pool_size, padding="same", **options)

    @property
    def switch_bits(self) -> float:
        """What switches can say about the image; nothing where they are another image's."""
        if self.switches is None or self.switches.shuffled:
            return 0.0
        return math.prod(self.output_shape[:2]) * self.channels_of_switches * self.bits_each

    @property
    def channels_of_switches(self) -> int:
        """How many of them each place has."""
        return 1 if self.switches and self.switches.of == "per_place" else self.output_shape[2]

    @property
    def bits_each(self) -> float:
        """What one window's switch can say: log2(window) bits."""
        return math.log2(self.pool_size**2)

    @property
    def workspace(self) -> float:
        """Values of one image, of four bytes, that it keeps beside its input and output: a byte for a switch."""
        return math.prod(self.output_shape) / 4 if self.records_switches else 0.0

    def make_fixed_layer(self) -> Any:
        """Make a layer whose switches, of a map of zeros, all are top-left."""
        return self.make_layer()

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (self.pool_size - 1) * jump, jump * self.pool_size


@dataclass(frozen=True)
class Upsample(LayerOperation):
    """Upsampling, most without weights, cropped to the output shape; each kind has its own."""

    factor: int

    word: ClassVar[str]
    """What it is called in a plan."""
    layer: ClassVar[str]
    """Name of its class in `cae.layers`, which takes `factor` and `output_size`."""
    is_linear: ClassVar[bool] = True
    maps_in_gradient: ClassVar[float] = 1.0
    """Maps of the output's size that its gradient works on."""

    @property
    def summary(self) -> str:
        return f"{self.word} x{self.factor}"

    @property
    def is_cropped(self) -> bool:
        """Whether the output is smaller than `factor` times the input."""
        sides = zip(self.input_shape[:2], self.output_shape[:2], strict=True)
        return any(self.factor * size != target for size, target in sides)

    @property
    def switches_from(self) -> str | None:
        """The pooling whose switches are used."""
        return None

    @property
    def support(self) -> int:
        """How many neighbouring values along a side one value is made of."""
        return 1

    @property
    def workspace(self) -> int:
        """Values of one image that it computes with, and keeps for its gradient, beside its input and output."""
        return 0

    @property
    def repeats(self) -> int | None:
        """How many pixels along a side a value is written to, zeros to the rest; None where that is not what it does.

        With a convolution behind it, it is then one transposed convolution.
        """
        return None

    @property
    def convolution_in_version_0_1_0(self) -> str:
        """Name of the class that version 0.1.0 had for the convolution behind it, by which it kept weights."""
        return "conv2d"

    def make_layer(self, **options: Any) -> Any:
        from cae import layers

        return getattr(layers, self.layer)(self.factor, output_size=self.output_shape[:2], **options)

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return field + (self.support - 1) * jump, jump / self.factor


@dataclass(frozen=True)
class Activation(Operation):
    """Element-wise activation."""

    function: str

    @property
    def summary(self) -> str:
        return self.function


@dataclass(frozen=True)
class Dropout(Operation):
    """Dropout of single values."""

    rate: float

    @property
    def summary(self) -> str:
        return f"dropout {self.rate:g}"


@dataclass(frozen=True)
class Dense(Operation):
    """Dense layer between a flattened shape and a vector, either way."""

    use_bias: bool = True
    # Whether it gives a vector, or else a map of its output shape.
    gives_vector: bool = False
    zero_start: bool = False
    trainable: bool = True

    @property
    def parameters(self) -> int:
        units = math.prod(self.output_shape)
        return math.prod(self.input_shape) * units + (units if self.use_bias else 0)

    @property
    def macs(self) -> int:
        return math.prod(self.input_shape) * math.prod(self.output_shape)

    @property
    def summary(self) -> str:
        return "dense"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return math.inf, jump
