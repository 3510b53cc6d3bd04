"""From the model section and an image shape to the network's operations, and these in groups as people count them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from cae.kinds.convolutions import Convolution, Sum, flat, with_padding
from cae.kinds.linear_path import plus_linear_code, plus_linear_reconstruction
from cae.kinds.normalization import Normalization
from cae.kinds.operations import Activation, Dense, Dropout, Operation, Pool, Shape, Sight
from cae.kinds.own_model import OwnModel
from cae.plan.decoder import plan_decoder
from cae.plan.encoder import PlanError, plan_encoder

if TYPE_CHECKING:
    from cae.config.model import ModelSection


@dataclass(frozen=True)
class Code:
    """What passes through the bottleneck, for one image.

    Args:
        values: latent activations.
        bits_per_value: bits of each; float32.
        switch_bits: what the switches can carry past the bottleneck at most, log2(window) bits each.
        image_bits: bits of the raw image, 8 for each value.
    """

    values: int
    bits_per_value: int
    switch_bits: int
    image_bits: int

    @property
    def ratio(self) -> float:
        """Bits of the latent over bits of the raw image."""
        return self.values * self.bits_per_value / self.image_bits

    @property
    def ratio_with_switches(self) -> float:
        """Bits of latent and switches over bits of the raw image."""
        return (self.values * self.bits_per_value + self.switch_bits) / self.image_bits

    def as_dict(self) -> dict[str, float]:
        """The form in which results quote it."""
        return {
            "values": self.values,
            "bits_per_value": self.bits_per_value,
            "switch_bits": self.switch_bits,
            "ratio": self.ratio,
            "ratio_with_switches": self.ratio_with_switches,
        }


@dataclass(frozen=True)
class Plan:
    """A whole autoencoder as arithmetic: the builder follows it, `describe` prints it, results quote it."""

    image_shape: Shape
    encoder: tuple[Operation, ...]
    decoder: tuple[Operation, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        """All operations, from the image to the reconstruction."""
        return self.encoder + self.decoder

    @property
    def latent_shape(self) -> Shape:
        """Shape of the code; a vector of n values is (1, 1, n)."""
        return self.encoder[-1].output_shape

    @property
    def code_is_vector(self) -> bool:
        """Whether the code is a vector, and not a map of one place."""
        return _gives_vector(self.encoder)

    @property
    def parameters(self) -> int:
        """Number of weights, trainable or not."""
        return sum(operation.parameters for operation in self.operations)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one image."""
        return sum(operation.macs for operation in self.operations)

    @property
    def switches(self) -> tuple[Pool, ...]:
        """The poolings that record switches, first stage first."""
        return tuple(op for op in flat(self.encoder) if isinstance(op, Pool) and op.records_switches)

    @property
    def code(self) -> Code:
        """How much passes through the bottleneck, and how much bypasses it."""
        return Code(
            values=math.prod(self.latent_shape),
            bits_per_value=32,
            switch_bits=math.ceil(sum(pool.switch_bits for pool in self.switches)),
            image_bits=8 * math.prod(self.image_shape),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON: shapes, sizes, and each operation."""
        fields = self.receptive_fields()
        return {
            "image_shape": list(self.image_shape),
            "latent_shape": list(self.latent_shape),
            "parameters": self.parameters,
            "macs_per_image": self.macs,
            "code": self.code.as_dict(),
            "operations": [
                {
                    "part": "encoder" if number < len(self.encoder) else "decoder",
                    "name": operation.name,
                    "operation": operation.summary,
                    "output_shape": list(operation.output_shape),
                    "parameters": operation.parameters,
                    "macs": operation.macs,
                    "receptive_field": None if math.isinf(fields[number]) else fields[number],
                }
                for number, operation in enumerate(self.operations)
            ],
        }

    def receptive_fields(self) -> list[float]:
        """Side in image pixels of what a value after each operation can see; infinite behind a dense layer."""
        return [sight.field for sight in self._sights()]

    @property
    def reach(self) -> float:
        """How far to one side, in image pixels, a reconstructed value can see, counted from its cell's middle.

        Half of the receptive field, and what windows of an even side add to one side; infinite behind a dense layer.
        """
        last = self._sights()[-1]
        return last.field / 2 + last.aside

    def _sights(self) -> list[Sight]:
        """What a value after each operation sees."""
        sights = [Sight()]
        for part in (self.encoder, self.decoder):
            start = sights[-1]
            for operation in part:
                sights.append(operation.see(sights[-1], start))
        return sights[1:]


def make_plan(section: ModelSection, image_shape: Shape) -> Plan:
    """Plan the autoencoder for images of one shape.

    Args:
        section: the `model` section of a configuration.
        image_shape: (height, width, channels) of the images, in pixels.

    Raises:
        PlanError: if the images are too small for the number of stages or for mirrored borders, if there are none to
            mirror, or if channels do not fit past a shortcut.

    Example:
        >>> from cae.config.model import ModelSection
        >>> plan = make_plan(ModelSection(), (28, 28, 1))
        >>> plan.latent_shape, plan.code.values
        ((7, 7, 16), 784)
    """
    switches_wanted = [upsampling.switches_wanted for upsampling in reversed(section.upsampling_per_stage)]
    encoder, stage_shapes = plan_encoder(section, image_shape, switches_wanted)
    latent = encoder[-1].output_shape
    decoder = plan_decoder(section, image_shape, stage_shapes, latent, _gives_vector(encoder))
    encoder += plus_linear_code(section, image_shape, latent)
    decoder += plus_linear_reconstruction(section, latent, image_shape)
    padding = section.encoder.padding
    parts = [tuple(with_padding(operation, padding) for operation in part) for part in (encoder, decoder)]
    if padding == "reflect":
        _check_borders(parts[0] + parts[1])
    return Plan(image_shape, parts[0], tuple(operation.inverted() for operation in parts[1]))


def _gives_vector(encoder: Iterable[Operation]) -> bool:
    return any(isinstance(operation, Dense | OwnModel) and operation.gives_vector for operation in encoder)


def _check_borders(operations: Iterable[Operation]) -> None:
    """Refuse maps that are too small to be mirrored past their borders, and models that have nothing to mirror."""
    mirrored = [one for one in flat(operations) if isinstance(one, Convolution) and one.padding == "reflect"]
    if not mirrored:
        raise PlanError(
            "model.encoder.padding: reflect has no effect, since no convolution of step 1 sees more than one pixel."
            " Received: kernels of 1x1; take larger ones with model.encoder.kernel_size."
        )
    for convolution in mirrored:
        height, width, _ = convolution.input_shape
        if min(height, width) <= convolution.kernel_size // 2:
            raise PlanError(
                "model.encoder.padding: reflect needs maps larger than half of the kernel of"
                f" {convolution.kernel_size} pixels. Received: maps of {height}x{width} at {convolution.name}; use"
                " `same`, or fewer stages."
            )


def first_difference(plan: Plan, other: Plan) -> str | None:
    """Say where the weights of one plan no longer mean the same in another one; None where they are each other's.

    Sizes of images count only for dense layers, and how a layer is trained (dropout, momentum) not at all.

    Example:
        >>> from cae.config.model import EncoderSection, ModelSection
        >>> wider = ModelSection(encoder=EncoderSection(filters=(32, 128)))
        >>> first_difference(make_plan(ModelSection(), (28, 28, 1)), make_plan(wider, (28, 28, 1)))
        'stage_2_conv_1: conv 3x3 from 32 to 64 channels there, conv 3x3 from 32 to 128 channels here'
    """
    mine, its = (
        [operation for operation in _with_insides(one.operations) if not isinstance(operation, Dropout)]
        for one in (plan, other)
    )
    for left, right in itertools.zip_longest(mine, its):
        if left is None or right is None or _meaning(left) != _meaning(right):
            names = dict.fromkeys(one.name for one in (left, right) if one is not None)
            return f"{' or '.join(names)}: {_in_words(left)} there, {_in_words(right)} here"
    return None


def _with_insides(operations: Iterable[Operation]) -> Iterator[Operation]:
    for operation in operations:
        yield operation
        yield from _with_insides(operation.operations if isinstance(operation, Sum) else ())


def _meaning(operation: Operation) -> tuple[Any, ...]:
    """What must agree for an operation's weights to mean the same."""
    free = {"input_shape", "output_shape", "rate", "momentum", "synchronized", "switches", "branches"}
    free |= {"zero_start", "trainable"}
    fixed = [
        (key.name, getattr(operation, key.name)) for key in fields(operation) if key.compare and key.name not in free
    ]
    sizes = slice(None) if isinstance(operation, Dense | OwnModel) else slice(2, None)
    return (type(operation), *fixed, operation.input_shape[sizes], operation.output_shape[sizes])


def _in_words(operation: Operation | None) -> str:
    if operation is None:
        return "nothing"
    given, made = operation.input_shape, operation.output_shape
    if isinstance(operation, Dense):
        return f"{operation.summary} from {math.prod(given)} to {math.prod(made)} values"
    return f"{operation.summary} from {given[2]} to {made[2]} channels"


def grouped(operations: Iterable[Operation]) -> list[list[Operation]]:
    """Join normalisation, activation and dropout to the operation before them.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> groups = grouped(make_plan(ModelSection(), (28, 28, 1)).encoder)
        >>> [[operation.name for operation in group] for group in groups[:2]]
        [['stage_1_conv_1', 'stage_1_conv_1_relu'], ['stage_1_pool']]
    """
    groups: list[list[Operation]] = []
    for operation in operations:
        if groups and isinstance(operation, Activation | Normalization | Dropout):
            groups[-1].append(operation)
        else:
            groups.append([operation])
    return groups
