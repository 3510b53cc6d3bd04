"""Steps of a lowered plan, computed with the weights of the plain Keras layers, some in faster forms."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cae.kinds.operations import Operation, PartInput, Pool, Upsample
from cae.layers.conv_transpose import add_bias, bias_gradient
from cae.layers.gradients import custom_gradient
from cae.layers.switches import max_pool
from cae.layers.windows import compiled, wide
from cae.plan.lowering import (
    Branches,
    Device,
    FewFilters,
    FoldedConvolution,
    GeluInOnePass,
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
def _(step: GeluInOnePass, inputs: Any, context: StepContext) -> Any:
    (layer,) = context.layers_of(step.operations[0])
    return gelu(tf.cast(inputs, layer.compute_dtype))


@compute.register
def _(step: FewFilters, inputs: Any, context: StepContext) -> Any:
    kernel, bias, dtype = context.weights_of(step.convolution)
    outputs = convolve_to_few_filters(tf.cast(inputs, dtype), kernel, step.pixels)
    return outputs if bias is None else add_bias(outputs, bias)


@compute.register
def _(step: Branches, inputs: Any, context: StepContext) -> Any:
    add = context.model.get_layer(f"{step.operations[0].name}_add")
    return add([compute_steps(branch, inputs, context) for branch in step.branches])


def convolve_folded(inputs: tf.Tensor, kernel: tf.Tensor, step: FoldedConvolution) -> tf.Tensor:
    """Enlarge and convolve as one transposed convolution.

    Args:
        inputs: (batch, height, width, channels), the map before it is enlarged.
        kernel: the convolution's, (side, side, channels, filters).
        step: what is folded.

    Returns:
        (batch, enlarged height, enlarged width, filters), without bias.
    """
    factor, (height, width, filters) = step.upsample.factor, step.convolution.output_shape
    if (repeats := step.upsample.repeats or 1) > 1:
        folded = fold_kernel(kernel, repeats)
    else:
        folded = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
    # Explicit padding would leave oneDNN's kernels, in 16 bits for some thirty times slower ones.
    behind = [
        (0, _taps_behind(step.kernel_size, step.convolution.kernel_size, factor, target)) for target in (height, width)
    ]
    if behind != [(0, 0), (0, 0)]:
        folded = tf.pad(folded, [*behind, (0, 0), (0, 0)])
    return tf.nn.conv2d_transpose(inputs, folded, (tf.shape(inputs)[0], height, width, filters), factor, padding="SAME")


def fold_kernel(kernel: tf.Tensor, factor: int) -> tf.Tensor:
    """Return the kernel of the transposed convolution that resizes by `factor` and convolves with `kernel`.

    An output pixel sees the same input pixel through up to factor^2 taps at once: their sum is the new tap. In one
    dimension, tap q of the new kernel is the sum of those taps t for which 0 <= q - (side - 1 - t) < factor.

    Example:
    >>> fold_kernel(tf.reshape([1.0, 2.0, 4.0] * 3, (3, 3, 1, 1)), 2)[0, :, 0, 0].numpy().tolist()
    [4.0, 6.0, 3.0, 1.0]

    Args:
        kernel: of a convolution, (side, side, input channels, output channels).
        factor: of the nearest resize.

    Returns:
        Of a transposed convolution, (side + factor - 1, side + factor - 1, output channels, input channels).
    """
    side, _, channels, filters = kernel.shape
    sums = tf.constant(_tap_sums(side, factor), kernel.dtype)
    folded = tf.matmul(sums, tf.reshape(kernel, (side**2, channels * filters)))
    return tf.transpose(tf.reshape(folded, (side + factor - 1, side + factor - 1, channels, filters)), (0, 1, 3, 2))


@functools.lru_cache(maxsize=64)
def _tap_sums(side: int, factor: int) -> np.ndarray:
    """Make the matrix that sums taps, ((side + factor - 1)^2, side^2) of zeros and ones, row-major in both."""
    new, old = np.arange(side + factor - 1)[:, None], np.arange(side)[None, :]
    shift = new - (side - 1 - old)
    line = ((shift >= 0) & (shift < factor)).astype(float)
    return np.kron(line, line)


def _taps_behind(side: int, kernel_size: int, factor: int, target: int) -> int:
    """Zeros to put behind the taps of a folded kernel, so that SAME padding brings each tap to its place.

    The convolution before folding has `(kernel_size - 1) // 2` pixels of padding at the top, its transpose the rest;
    SAME padding of strides divides otherwise.

    Example:
        >>> _taps_behind(3, 3, 2, 8), _taps_behind(3, 3, 2, 7), _taps_behind(4, 3, 2, 8)
        (1, 0, 0)

    Args:
        side: of the folded kernel.
        kernel_size: side of the convolution's kernel.
        factor: strides of the transposed convolution.
        target: pixels along this side of its output.
    """
    above = kernel_size - 1 - (kernel_size - 1) // 2
    padding = (-(-target // factor) - 1) * factor + side - target
    return max(0, 2 * above - padding) if above else 0


def add_bias_and_rectify(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """Add a bias to each channel and rectify, in one pass; the bias's gradient is right in 16 bits, too.

    Args:
        outputs: (batch, height, width, channels), all but the batch known: a kernel is compiled for each size.
        bias: (channels,), of the same type.
    """

    @custom_gradient
    def rectify(outputs: tf.Tensor, bias: tf.Tensor) -> Any:
        rectified = compiled(_add_and_rectify, outputs.shape)(outputs, bias)

        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_sum = tf.raw_ops.ReluGrad(gradients=above, features=rectified)
            return of_sum, bias_gradient(of_sum)

        return rectified, gradient

    return rectify(outputs, bias)


def _add_and_rectify(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    # Computed in float32 and rounded once, 16-bit sums are the same bits.
    return tf.cast(tf.nn.relu(wide(outputs) + wide(bias)), outputs.dtype)


@custom_gradient
def gelu(inputs: tf.Tensor) -> Any:
    """Compute `keras.activations.gelu`, the exact one, in one pass, and its gradient in another.

    Args:
        inputs: of any shape, all but the batch known; 16-bit values are computed in float32, and rounded once.
            `erf` would be cheaper than Keras' `erfc`, but not exact far below 0, where it would move switches.
    """

    def gradient(above: tf.Tensor) -> tf.Tensor:
        return compiled(_gelu_gradient, inputs.shape)(inputs, above)

    return compiled(_gelu, inputs.shape)(inputs), gradient


def _gelu(inputs: tf.Tensor) -> tf.Tensor:
    return tf.cast(keras.activations.gelu(wide(inputs)), inputs.dtype)


def _gelu_gradient(inputs: tf.Tensor, above: tf.Tensor) -> tf.Tensor:
    values = wide(inputs)
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = keras.activations.gelu(values)
    return tf.cast(tape.gradient(outputs, values, wide(above)), inputs.dtype)


def convolve_to_few_filters(inputs: tf.Tensor, kernel: tf.Tensor, side: int) -> tf.Tensor:
    """Convolve with SAME padding and strides of 1 to few filters.

    Going forward, squares of `side` by `side` output pixels are computed at once: as one pixel of a convolution with
    strides `side`, whose filters are the kernel's, moved to each place in the square.

    Going back, the gradient of the kernel is that of the mirrored convolution, which leads from the few channels to the
    many: as sums over all pixels of one map's value times the other's the two are the same numbers, but libraries fill
    their vectors with output channels.

    Args:
        inputs: (batch, height, width, channels).
        kernel: (kernel height, kernel width, channels, filters), all known.
        side: pixels computed at once, in either direction; above 1 for sizes where SAME padding allows it (see
            `cae.plan.lowering`).

    Returns:
        (batch, height, width, filters).
    """

    @custom_gradient
    def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(above: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            of_inputs = tf.nn.conv2d_transpose(above, kernel, tf.shape(inputs), 1, "SAME")
            return of_inputs, _kernel_gradient(inputs, above, kernel.shape)

        if side == 1:
            return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradient
        _, height, width, _ = keras.ops.shape(inputs)
        squares = tf.nn.conv2d(inputs, _moved(kernel, side), side, "SAME")  # [N, ceil(H / side), ..., side^2 * F]
        return tf.nn.depth_to_space(squares, side)[:, :height, :width], gradient

    return convolve(inputs, kernel)


def _moved(kernel: tf.Tensor, side: int) -> tf.Tensor:
    """The kernel at each place in a square: (height + side - 1, width + side - 1, channels, side^2 * filters)."""
    places = [(down, right) for down in range(side) for right in range(side)]
    last = side - 1
    moved = [tf.pad(kernel, [(y, last - y), (x, last - x), (0, 0), (0, 0)]) for y, x in places]
    return tf.concat(moved, axis=-1)


def _kernel_gradient(inputs: tf.Tensor, above: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    """The gradient of a kernel of this shape, as the mirrored convolution's."""
    tall, wide, channels, filters = shape
    if tall % 2 == 0 or wide % 2 == 0:  # SAME padding is mirrored only where it is as wide on either side
        return tf.raw_ops.Conv2DBackpropFilter(
            input=inputs, filter_sizes=shape, out_backprop=above, strides=[1, 1, 1, 1], padding="SAME"
        )
    mirrored = tf.raw_ops.Conv2DBackpropFilter(
        input=above,
        filter_sizes=(tall, wide, filters, channels),
        out_backprop=inputs,
        strides=[1, 1, 1, 1],
        padding="SAME",
    )
    return tf.transpose(mirrored[::-1, ::-1], (0, 1, 3, 2))
