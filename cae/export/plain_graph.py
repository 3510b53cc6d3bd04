"""A part as a TensorFlow graph of plain operations, which converters and servers can read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from cae.export.parts import Part


class PlainGraph(tf.Module):
    """A part's function and its variables, ready to be saved or converted.

    The graph has neither functions within functions (layers may compile parts of themselves by XLA) nor gradients
    of the layers' own, which other programs do not know; TensorFlow's gradients of its operations remain. Sizes are
    constants, save the batch's.

    Args:
        part: what is traced.
    """

    def __init__(self, part: Part) -> None:
        super().__init__(name=part.name)
        self.weights = [weight.value for weight in part.model.weights]
        self.input_signature = [
            tf.TensorSpec(tensor.shape, tensor.dtype, name)
            for name, tensor in zip(part.inputs, part.model.inputs, strict=True)
        ]

        def serve(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            with _functions_inlined():
                outputs = part.call(inputs)
            outputs = {name: tf.identity(output, name) for name, output in outputs.items()}
            graph = next(iter(outputs.values())).graph
            _forget_custom_gradients(graph)
            _settle_shapes(graph)
            return outputs

        self.serve = tf.function(serve, input_signature=self.input_signature, autograph=False)


@contextlib.contextmanager
def _functions_inlined() -> Iterator[None]:
    """Have every `tf.function` that is called in the block put its operations into the graph that is being traced."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


def _forget_custom_gradients(graph: tf.Graph) -> None:
    """Take off the names of gradients that exist in this process only; loading would warn of each."""
    for operation in graph.get_operations():
        if "_gradient_op_type" in operation.node_def.attr:
            operation._clear_attr("_gradient_op_type")


def _settle_shapes(graph: tf.Graph) -> None:
    """Let each reshaping say its result's shape, where layers compute it from their inputs' shapes.

    Converters do not see through such a computation, and some operations of theirs need to know height and width.
    """
    for operation in graph.get_operations():
        if operation.type == "Reshape" and operation.inputs[1].op.type != "Const":
            shape = operation.outputs[0].shape
            if shape.rank is not None and list(shape).count(None) <= 1:
                settled = tf.constant([-1 if side is None else side for side in shape], operation.inputs[1].dtype)
                operation._update_input(1, settled)
