"""The plan as a table for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cae.kinds.operations import Operation
from cae.messages import align, number_of
from cae.plan.matching import match_bits
from cae.plan.memory import StepMemory
from cae.plan.plan import Plan, grouped

# A code value needs no more: `evaluate` measures what that loses.
_STORED_BITS = 8
_HEADER = ("part", "layer", "operation", "output", "parameters", "MACs", "sees")


def format_plan(plan: Plan) -> str:
    """Table of the operations with totals, and what the code amounts to.

    Normalisation, activation and dropout are named in the row of the operation before them, with their weights.
    `sees` is the side in pixels of the part of the image that one value depends on, at most.
    """
    rows = _rows("encoder", plan.encoder, plan.receptive_fields()[: len(plan.encoder)], plan)
    rows += _rows("decoder", plan.decoder, plan.receptive_fields()[len(plan.encoder) :], plan)
    total = ("total", "", "", "", f"{plan.parameters:,}", f"{plan.macs:,}", "")
    return "\n".join([*_align([_HEADER, *rows, total]), "", *_code_lines(plan)])


def format_step_memory(memory: StepMemory, batch_size: int, precision: str) -> str:
    """One line: what a training step takes.

    Example:
        >>> format_step_memory(StepMemory(312_000_000, 4_000_000), 128, "float32")
        'training step  about 312 MB of activations at batch size 128 in float32, and 4.0 MB for the weights'
    """
    weights = f"{memory.weights / 1e6:,.{0 if memory.weights >= 1e8 else 1}f} MB"
    return (
        f"training step  about {memory.activations / 1e6:,.0f} MB of activations at batch size {batch_size} in"
        f" {precision}, and {weights} for the weights"
    )


def _rows(part: str, operations: Sequence[Operation], fields: Sequence[float], plan: Plan) -> list[tuple[str, ...]]:
    """One row for each operation that has a place of its own, with those that follow it joined to it."""
    largest = max(plan.image_shape[:2])
    field_of = {operation.name: field for operation, field in zip(operations, fields, strict=True)}
    return [
        (
            part,
            group[0].name,
            ", ".join(operation.summary for operation in group if operation.summary != "linear"),
            _shape(group[-1].output_shape),
            f"{sum(operation.parameters for operation in group):,}",
            f"{sum(operation.macs for operation in group):,}",
            _field(field_of[group[0].name], largest),
        )
        for group in grouped(operations)
    ]


def _shape(shape: Sequence[int]) -> str:
    return "x".join(str(size) for size in shape)


def _field(field: float, largest: int) -> str:
    return "all" if math.isinf(field) or field >= 2 * largest else f"{math.ceil(field)}"


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns of even width, numbers to the right."""
    lines = align(rows, range(len(_HEADER) - 3, len(_HEADER)))
    rule = "-" * max(len(line) for line in lines)
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]


def _code_lines(plan: Plan) -> list[str]:
    code, values = plan.code, math.prod(plan.image_shape)
    latent = _shape(plan.latent_shape) if plan.latent_shape[:2] != (1, 1) else str(plan.latent_shape[2])
    lines = [
        f"image  {_shape(plan.image_shape)}: {number_of(values, 'value')}, {code.image_bits:,} bits",
        f"code   {latent}: {number_of(code.values, 'value')}, {code.values * code.bits_per_value:,} bits in float32,"
        f" {code.ratio:.3g} times the image's bits",
    ]
    if code.switch_bits:
        lines.append(
            f"switches carry up to {code.switch_bits:,} more bits for each image past the bottleneck"
            f" ({code.ratio_with_switches:.3g} times the image's bits with the code)"
        )
        if control := match_bits(plan, code.switch_bits, _STORED_BITS):
            rule = f"a control with as many bits, {_STORED_BITS} a code value, and no switches"
            lines.append(f"{rule}: {control['words']}")
    if code.values >= values:
        lines.append(
            f"NOTE: the code is not smaller than the image ({number_of(code.values, 'value')} against {values:,}): the"
            " network can learn to copy instead of to compress."
        )
    return lines
