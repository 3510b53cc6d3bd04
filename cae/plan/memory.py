"""How much memory a training step takes: the maps that wait for the backward pass, and what works on them.

Going forward, each map that a gradient will need is kept. Going back, each operation has the gradient of its output
and makes that of its input, and what was kept for it is let go. The most is held where these two together are the
most, which nearly always is behind the last, largest stage of the decoder.

What is kept follows from the gradients: a convolution needs its input; `relu`, `elu`, `selu`, `tanh` and `sigmoid` are
written over what they are given and need their output; others need more. The few counts that do not follow from that,
since they depend on how TensorFlow 2.21 composes an operation, were found by measuring its allocator, and are marked
so; tests hold predictions against it. Under XLA and on a GPU, where nothing was measured, fusion makes it less and
workspace of convolutions more. float16 is meant for a GPU: on a CPU, whose convolutions of it are slow and lay their
input out anew for each tap, a step can take three times what is predicted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import singledispatch

from cae.kinds.activation import ACTIVATIONS
from cae.kinds.convolutions import Convolution, Sum, flat
from cae.kinds.normalization import Normalization
from cae.kinds.operations import Activation, Dropout, Operation, PartInput, Pool, Upsample
from cae.kinds.own_model import OwnModel
from cae.plan.lowering import FoldedConvolution, PoolingBeforeRelu, Step, flat_steps, lower, this_cpu
from cae.plan.plan import Plan

_FLOAT32 = 4

# Images, reconstructions, their errors and what the metrics of the step make of them, float32; how many are there at
# once is up to the scheduler. Measured.
_IMAGE_MAPS = 7.0
# Normalisation computes in float32; where its input is of 16 bits, it keeps a copy, of so many 16-bit values for each.
_FLOAT32_COPY = 2.0
# 16-bit gradients are laid out anew for the convolutions, which takes room beside them. Measured.
_REPACKING_OF_16_BITS = 1.1
# A matrix of interpolation is computed in float64, in a few steps.
_MATRIX_COPIES = 6


@dataclass(frozen=True)
class StepMemory:
    """Bytes of one training step.

    Args:
        activations: the most that is held at once of maps and their gradients; grows with the batch.
        weights: weights, their gradients, what the optimizer keeps of each, and the best epoch's copy.
    """

    activations: int
    weights: int

    @property
    def total(self) -> int:
        """All of it; the libraries and the images that wait for their step are not in it."""
        return self.activations + self.weights


def predict_step_memory(
    plan: Plan, *, batch_size: int, precision: str = "float32", optimizer_slots: int = 2
) -> StepMemory:
    """Predict what a training step takes on one device.

    Args:
        plan: the model.
        batch_size: images in the step on this device.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`: maps of 16 bits take half of float32.
        optimizer_slots: numbers that the optimizer keeps for each weight; 2 for Adam.

    Example:
        >>> from cae.config.model import ModelSection
        >>> from cae.plan import make_plan
        >>> plan = make_plan(ModelSection(), (64, 64, 3))
        >>> one, two = (predict_step_memory(plan, batch_size=size).activations for size in (64, 128))
        >>> two == 2 * one
        True
    """
    dtype = precision.removeprefix("mixed_")
    is_short = dtype != "float32"
    bytes_per_value = _FLOAT32 // 2 if is_short else _FLOAT32
    repacking = _REPACKING_OF_16_BITS if is_short else 1.0
    images = _IMAGE_MAPS * math.prod(plan.image_shape) * _FLOAT32
    kept, most = 0.0, 0.0
    steps = [*flat_steps(lower(plan.operations, this_cpu(), dtype, training=True))]
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        kept += (_kept_by_step(step, dtype) - _let_go_by(following)) * bytes_per_value
        most = max(most, kept + _work_of_step(step, dtype) * bytes_per_value * repacking)
    copies = 3 + optimizer_slots  # weights, gradients, best weights
    return StepMemory(round(batch_size * (images + most)), plan.parameters * copies * _FLOAT32)


def predict_image_memory(plan: Plan) -> int:
    """Bytes that one image takes on its way through the model, without gradients: at least its two largest maps.

    Interpolation is a matrix for each side, which takes more than the map where one side is very long.
    """
    most = 2 * math.prod(plan.image_shape)
    for operation in flat(plan.operations):
        values = math.prod(operation.input_shape) + math.prod(operation.output_shape)
        if isinstance(operation, Upsample) and operation.support > 1:
            (tall, wide, _), (height, width, _) = operation.output_shape, operation.input_shape
            values += _MATRIX_COPIES * (tall * height + wide * width) + operation.workspace
        most = max(most, values)
    return most * _FLOAT32


def _kept_by_step(step: Step, dtype: str) -> float:
    """Values of one image that a step adds to those that wait for the backward pass."""
    match step:
        case FoldedConvolution():  # the enlarged map is never made
            return kept_values(step.convolution, dtype)
        case PoolingBeforeRelu() if not step.pool.records_switches:
            return 2.0 * kept_values(step.pool, dtype)  # the maxima, and what is left of them when they are rectified
    # Rectified channels that become pixels are kept as well, but what they become is not rectified then: the most that
    # is held stays the same. Measured.
    return sum(kept_values(operation, dtype) for operation in step.operations)


def _let_go_by(step: Step | None) -> float:
    """Values of one image that need not be kept of the step before this one."""
    # With switches nothing of what was pooled is needed again.
    if isinstance(step, PoolingBeforeRelu) and step.pool.records_switches:
        return math.prod(step.pool.input_shape)
    return 0.0


def _work_of_step(step: Step, dtype: str) -> float:
    """Values of one image that a step's gradient works on at once."""
    if isinstance(step, FoldedConvolution):
        return _size(step.convolution) + math.prod(step.upsample.input_shape)
    return max(work_values(operation, dtype) for operation in step.operations)


@singledispatch
def kept_values(operation: Operation, dtype: str) -> float:
    """Values of one image that an operation adds to those that wait for the backward pass; by default its output.

    Args:
        operation: of a step.
        dtype: float type of the computation.
    """
    return _size(operation)


@kept_values.register
def _(operation: Convolution, dtype: str) -> float:
    # Channels that are turned into pixels at once are not needed again, only the pixels are.
    output = 0.0 if operation.subpixel_factor > 1 else _size(operation)
    if operation.padding == "same":
        return output
    height, width, channels = operation.input_shape  # mirrored borders take a copy
    return output + (height + operation.kernel_size - 1) * (width + operation.kernel_size - 1) * channels


@kept_values.register
def _(operation: Activation, dtype: str) -> float:
    return ACTIVATIONS[operation.function].kept * _size(operation)


@kept_values.register
def _(operation: Normalization, dtype: str) -> float:
    copy = _FLOAT32_COPY if dtype != "float32" else 0.0
    return (operation.kept + copy) * _size(operation)


@kept_values.register
def _(operation: Pool, dtype: str) -> float:
    return _size(operation) + operation.workspace


@kept_values.register(Upsample)
@kept_values.register(OwnModel)
def _(operation: Upsample | OwnModel, dtype: str) -> float:
    return _size(operation) + operation.workspace


@kept_values.register
def _(operation: Dropout, dtype: str) -> float:
    return (1.0 + 1 / _FLOAT32) * _size(operation)  # the output, and a byte for what was dropped


@kept_values.register
def _(operation: PartInput, dtype: str) -> float:
    return 0.0  # kept as it is


@kept_values.register
def _(operation: Sum, dtype: str) -> float:
    return 0.0  # the sum takes the place of the last convolution's output


@singledispatch
def work_values(operation: Operation, dtype: str) -> float:
    """Values of one image that an operation's gradient works on: by default the gradients of output and input.

    Args:
        operation: of a step.
        dtype: float type of the computation.
    """
    return _size(operation) + math.prod(operation.input_shape)


@work_values.register
def _(operation: Activation, dtype: str) -> float:
    return ACTIVATIONS[operation.function].work * _size(operation)


@work_values.register
def _(operation: Normalization, dtype: str) -> float:
    return (2.0 + operation.work) * _size(operation)


@work_values.register
def _(operation: Sum, dtype: str) -> float:
    return 3.0 * _size(operation)  # the skip's gradient waits for that of the block


@work_values.register
def _(operation: Upsample, dtype: str) -> float:
    return operation.maps_in_gradient * _size(operation) + math.prod(operation.input_shape) + operation.workspace


def _size(operation: Operation) -> int:
    return math.prod(operation.output_shape)
