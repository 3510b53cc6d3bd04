"""Steps of a lowered plan, computed with the weights of the plain Keras layers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import tensorflow as tf

from cae.kinds.operations import Operation, PartInput, Pool, Upsample
from cae.layers.conv_transpose import add_bias
from cae.layers.switches import max_pool
from cae.model.forms import add_bias_and_rectify, convolve_folded, convolve_to_few_filters
from cae.plan.lowering import (
    Branches,
    Device,
    FewFilters,
    FoldedConvolution,
    PoolingBeforeRelu,
    RectifiedTransposedConvolution,
    ReluBeforeOpening,
    Step,
    this_cpu,
)


@dataclass
class StepContext:
    """What steps share while they are computed.

    Args:
        model: the encoder or the decoder, whose layers have the weights.
        training: whether dropout and batch normalisation work as in training.
        inputs: what the model is given, images or codes, for branches that begin there.
        switches: of each pooling that records them, by its name.
    """

    model: keras.Model
    training: bool
    inputs: Any = None
    switches: dict[str, tf.Tensor] = field(default_factory=dict)

    def layers_of(self, operation: Operation) -> list[keras.layers.Layer]:
        """The layers of an operation, in order: a dense one has another that lays out what it is given or gives."""
        names = (f"{operation.name}_flatten", operation.name, f"{operation.name}_reshape")
        return [layer for name in names for layer in self.model.layers if layer.name == name]

    def weights_of(self, operation: Operation) -> tuple[tf.Tensor, tf.Tensor | None, str]:
        """Kernel, bias if there is one, and the type that the operation computes in, which both are cast to."""
        layer = self.model.get_layer(operation.name)
        dtype = layer.compute_dtype
        return tf.cast(layer.kernel, dtype), tf.cast(layer.bias, dtype) if layer.use_bias else None, dtype


def current_device() -> Device:
    """What TensorFlow computes on: a GPU if there is one, else this processor."""
    return Device(is_gpu=True) if tf.config.list_logical_devices("GPU") else this_cpu()


def compute_steps(steps: Iterable[Step], inputs: Any, context: StepContext) -> Any:
    """Compute steps one after the other.

    Args:
        steps: from `cae.plan.lowering.lower`.
        inputs: of the first one, (batch, height, width, channels) or (batch, values).
        context: weights, and where switches are put down and found.

    Returns:
        What the last one gives.
    """
    for step in steps:
        inputs = compute(step, inputs, context)
    return inputs


@singledispatch
def compute(step: Step, inputs: Any, context: StepContext) -> Any:
    """Compute one step; without a form of its own, by the layer of its operation."""
    (operation,) = step.operations
    if isinstance(operation, PartInput):
        return context.inputs
    if isinstance(operation, Upsample) and operation.switches_from is not None:
        inputs = [inputs, context.switches[operation.switches_from]]
    for layer in context.layers_of(operation):
        inputs = layer(inputs, training=context.training)
    if isinstance(operation, Pool) and operation.records_switches:
        inputs, context.switches[operation.name] = inputs
    return inputs


@compute.register
def _(step: FoldedConvolution, inputs: Any, context: StepContext) -> Any:
    kernel, bias, dtype = context.weights_of(step.convolution)
    outputs = convolve_folded(tf.cast(inputs, dtype), kernel, step)
    if bias is None:
        return outputs
    return add_bias_and_rectify(outputs, bias) if step.rectifies else add_bias(outputs, bias)


@compute.register
def _(step: RectifiedTransposedConvolution, inputs: Any, context: StepContext) -> Any:
    operation = step.convolution
    kernel, bias, dtype = context.weights_of(operation)
    shape = (tf.shape(inputs)[0], *operation.output_shape)
    outputs = tf.nn.conv2d_transpose(tf.cast(inputs, dtype), kernel, shape, operation.strides, padding="SAME")
    return add_bias_and_rectify(outputs, bias)


@compute.register
def _(step: PoolingBeforeRelu, inputs: Any, context: StepContext) -> Any:
    (pooling,) = context.layers_of(step.pool)
    if step.pool.records_switches:
        pooled, switches = max_pool(inputs, pooling.pool_size, rectify=True, switches_of=pooling.switches)
        context.switches[step.pool.name] = switches
        return pooled
    return tf.nn.relu(pooling(inputs))


@compute.register
def _(step: ReluBeforeOpening, inputs: Any, context: StepContext) -> Any:
    (opening,) = context.layers_of(step.operations[0])
    return opening(tf.nn.relu(inputs))


@compute.register
def _(step: FewFilters, inputs: Any, context: StepContext) -> Any:
    kernel, bias, dtype = context.weights_of(step.convolution)
    outputs = convolve_to_few_filters(tf.cast(inputs, dtype), kernel, step.pixels)
    return outputs if bias is None else add_bias(outputs, bias)


@compute.register
def _(step: Branches, inputs: Any, context: StepContext) -> Any:
    add = context.model.get_layer(f"{step.operations[0].name}_add")
    return add([compute_steps(branch, inputs, context) for branch in step.branches])
