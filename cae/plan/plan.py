"""From the model section and an image shape to the network's operations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.plan.decoder import plan_decoder
from cae.plan.encoder import plan_encoder
from cae.plan.operations import Operation, Pool, Shape

if TYPE_CHECKING:
    from cae.config.model import ModelSection


@dataclass(frozen=True)
class Code:
    """What passes through the bottleneck, for one image.

    Args:
        values: latent activations.
        bits_per_value: bits of each; float32.
        switch_bits: what the switches carry round the bottleneck, log2(window) bits for each pooled value.
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
        return tuple(op for op in self.encoder if isinstance(op, Pool) and op.records_switches)

    @property
    def code(self) -> Code:
        """How much passes through the bottleneck, and how much goes round it."""
        return Code(
            values=math.prod(self.latent_shape),
            bits_per_value=32,
            switch_bits=math.ceil(sum(pool.switch_bits for pool in self.switches)),
            image_bits=8 * math.prod(self.image_shape),
        )

    def receptive_fields(self) -> list[float]:
        """Side in image pixels of what a value after each operation can see; infinite behind a dense layer."""
        fields, field, jump = [], 1.0, 1.0
        for operation in self.operations:
            field, jump = operation.reach(field, jump)
            fields.append(field)
        return fields


def make_plan(section: ModelSection, image_shape: Shape) -> Plan:
    """Plan the autoencoder for images of one shape.

    Args:
        section: the `model` section of a configuration.
        image_shape: (height, width, channels) of the images, in pixels.

    Raises:
        PlanError: if the images are too small for the number of stages.

    Example:
        >>> from cae.config.model import ModelSection
        >>> plan = make_plan(ModelSection(), (28, 28, 1))
        >>> plan.latent_shape, plan.code.values
        ((7, 7, 16), 784)
    """
    switches_wanted = [upsampling.kind == "max_unpool" for upsampling in reversed(section.upsampling_per_stage)]
    encoder, stage_shapes = plan_encoder(section, image_shape, switches_wanted)
    decoder = plan_decoder(section, image_shape[2], stage_shapes, encoder[-1].output_shape)
    return Plan(image_shape, tuple(encoder), tuple(decoder))
