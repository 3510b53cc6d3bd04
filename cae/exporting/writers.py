"""A part of a model written in each format, and what is written into it: how to call it, and its run."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from cae.config.data import PATH_KEYS
from cae.exporting.parts import Part
from cae.exporting.stock import with_stock_layers
from cae.model import build_autoencoder
from cae.version import __version__

if TYPE_CHECKING:
    from cae.config import RunConfig


FILE_NAME = "cae.json"


def make_metadata(part: Part, config: RunConfig, weights_digest: str, *, quantize: bool) -> dict[str, Any]:
    """Describe an export.

    Args:
        part: what is exported.
        config: the run's.
        weights_digest: SHA-256 of the run's weights file.
        quantize: whether weights are 8-bit.
    """
    told = config.model_dump(mode="json")
    for key in PATH_KEYS:  # folders of this machine are private
        told["data"].pop(key, None)
    return {
        "cae": __version__,
        "part": part.name,
        "quantized": quantize,
        "image_range": [0.0, 1.0],
        "value_range": told["data"].get("value_range", "type"),
        "inputs": part.describe_inputs(),
        "outputs": part.describe_outputs(),
        "weights_sha256": weights_digest,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "config": told,
    }


def to_json(metadata: dict[str, Any]) -> str:
    """The form in which it lies in an export."""
    return json.dumps(metadata, indent=1)


def add_to_archive(path: Path, metadata: dict[str, Any]) -> None:
    """Add it to a ZIP archive, or put an archive behind a file that its readers know the end of.

    The latter is how LiteRT files carry associated files; `unzip -p model.tflite cae.json` shows it.
    """
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FILE_NAME, to_json(metadata))


def flatten(part: Part) -> keras.Model:
    """Make a copy of a part in which all layers are layers of one model.

    In a `.keras` file of models within a model, tied kernels would come back as two (see `TiedConv2DTranspose`). Both
    halves name layers alike, so in the whole autoencoder `encoder_` and `decoder_` stand before the names.

    Args:
        part: from `make_part`.
    """
    copy = build_autoencoder(part.autoencoder.plan)
    copy.model.set_weights(part.autoencoder.model.get_weights())
    if part.name != "autoencoder":
        model = copy.encoder if part.name == "encoder" else copy.decoder
        inputs, outputs = model.inputs, model.outputs
    else:
        for half in (copy.encoder, copy.decoder):
            for layer in half.layers:
                if not isinstance(layer, keras.layers.InputLayer):
                    layer.name = f"{half.name}_{layer.name}"
        inputs = copy.encoder.inputs
        # To call the decoder itself would make it one layer; this goes through its layers again.
        code = copy.encoder.outputs
        outputs = [copy.decoder.call(code if len(code) > 1 else code[0])]
    return keras.Model(_named(part.inputs, inputs), _named(part.outputs, outputs), name=part.name)


def _named(names: Sequence[str], tensors: Sequence[Any]) -> Any:
    return dict(zip(names, tensors, strict=True)) if len(tensors) > 1 else tensors[0]


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
        input_signature = [
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

        self.serve = tf.function(serve, input_signature=input_signature, autograph=False)


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

    Converters do not see through such a computation: maps of theirs would have no height and width until they run.
    """
    for operation in graph.get_operations():
        if operation.type == "Reshape" and operation.inputs[1].op.type != "Const":
            shape = operation.outputs[0].shape
            if shape.rank is not None and list(shape).count(None) <= 1:
                settled = tf.constant([-1 if side is None else side for side in shape], operation.inputs[1].dtype)
                operation._update_input(1, settled)


Writer = Callable[[Part, Path, dict[str, Any], bool], None]


def write_savedmodel(part: Part, path: Path, metadata: dict[str, Any], quantize: bool = False) -> None:
    """Write a SavedModel folder with the signature `serving_default`; weights stay variables, tied ones stay one."""
    graph = PlainGraph(part)
    serve = graph.serve.get_concrete_function()
    graph.serve = serve  # else saving would trace it once more
    tf.saved_model.save(graph, str(path), signatures=serve)
    # TensorFlow says nothing where it cannot remove what it needed in between.
    shutil.rmtree(path / "variables" / "variables_temp", ignore_errors=True)
    # The folder that SavedModel keeps for what others wish to add.
    extra = path / "assets.extra"
    extra.mkdir()
    (extra / FILE_NAME).write_text(to_json(metadata), encoding="utf-8")


def write_litert(part: Part, path: Path, metadata: dict[str, Any], quantize: bool = False) -> None:
    """Write a .tflite file with one signature, of LiteRT's built-in operations only."""
    with tempfile.TemporaryDirectory() as folder:
        write_savedmodel(part, Path(folder, "saved"), metadata)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(folder, "saved")))
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        path.write_bytes(converter.convert())
    add_to_archive(path, metadata)


def write_onnx(part: Part, path: Path, metadata: dict[str, Any], quantize: bool = False) -> None:
    """Write an .onnx file with named inputs and outputs and a batch of any size."""
    import onnx
    import tf2onnx

    # tf2onnx takes tensors that layers keep, of regularizers say, for inputs; as constants they are none.
    serve = PlainGraph(part).serve.get_concrete_function()
    frozen = convert_variables_to_constants_v2(serve, lower_control_flow=False, aggressive_inlining=True)
    inputs = dict(zip((tensor.name for tensor in frozen.inputs), part.inputs, strict=True))
    outputs = dict(zip((tensor.name for tensor in frozen.outputs), sorted(part.outputs), strict=True))
    model, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(add_shapes=True),
        input_names=list(inputs),
        output_names=sorted(outputs, key=lambda tensor: part.outputs.index(outputs[tensor])),
        tensors_to_rename=inputs | outputs,
        custom_op_handlers={"Erfc": (_erfc_to_onnx, [])},  # tf2onnx does not know it; GELU is made of it
    )
    for node in model.graph.node:
        if node.op_type == "ConvTranspose":
            _pad_behind(node)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    if quantize:
        model = _quantize_onnx(model, path)
    onnx.helper.set_model_props(model, {"cae": to_json(metadata)})
    onnx.checker.check_model(model)
    onnx.save(model, path)


def _pad_behind(node: Any) -> None:
    """Say as `output_padding` what tf2onnx says as negative `pads`, where strides are longer than a kernel's side."""
    import onnx

    attributes = {attribute.name: attribute for attribute in node.attribute}
    pads = list(attributes["pads"].ints) if "pads" in attributes else []
    if any(pad < 0 for pad in pads):
        sums = [before + after for before, after in zip(pads[:2], pads[2:], strict=True)]
        kept = [pad if total >= 0 else 0 for pad, total in zip(pads, sums * 2, strict=True)]
        attributes["pads"].ints[:] = kept
        node.attribute.append(onnx.helper.make_attribute("output_padding", [max(0, -total) for total in sums]))


def _erfc_to_onnx(graph: Any, node: Any, name: str, _: Any) -> None:
    """Replace a node erfc(x) by 1 - erf(x)."""
    shapes, dtypes = [graph.get_shape(node.output[0])], [graph.get_dtype(node.output[0])]
    one = graph.make_const(f"{name}/one", np.array(1, np.float32)).output[0]
    erf = graph.make_node("Erf", [node.input[0]]).output[0]
    graph.remove_node(name)
    graph.make_node("Sub", [one, erf], name=name, outputs=node.output, shapes=shapes, dtypes=dtypes)


def _quantize_onnx(model: Any, scratch: Path) -> Any:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _without_warnings():  # that fusing operations first may give more speed
        # ONNX Runtime convolves 8-bit numbers only where both are unsigned.
        quantize_dynamic(model, scratch, weight_type=QuantType.QUInt8)
    return onnx.load(scratch)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def write_keras(part: Part, path: Path, metadata: dict[str, Any], quantize: bool = False) -> None:
    """Write a .keras file of one flat model, so that tied kernels stay one, of Keras' own layers where it has them."""
    with_stock_layers(flatten(part)).save(path)
    add_to_archive(path, metadata)


WRITERS: dict[str, Writer] = {
    "savedmodel": write_savedmodel,
    "onnx": write_onnx,
    "litert": write_litert,
    "keras": write_keras,
}
