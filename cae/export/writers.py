"""Write a part in each of the formats."""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from cae.export.keras_file import flatten
from cae.export.metadata import FILE_NAME, add_to_archive, to_json
from cae.export.parts import Part
from cae.export.plain_graph import PlainGraph

Writer = Callable[[Part, Path, dict[str, Any], bool], None]


def write_savedmodel(part: Part, path: Path, metadata: dict[str, Any], quantize: bool = False) -> None:
    """Write a SavedModel folder with the signature `serving_default`; weights stay variables, tied ones stay one."""
    graph = PlainGraph(part)
    tf.saved_model.save(graph, str(path), signatures=graph.serve.get_concrete_function())
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

    graph = PlainGraph(part)
    # tf2onnx does not know it; GELU is made of it.
    handlers: dict[str, Any] = {"Erfc": (_erfc_to_onnx, [])}
    model, _ = tf2onnx.convert.from_function(graph.serve, graph.input_signature, custom_op_handlers=handlers)
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_param = "batch"
    if quantize:
        model = _quantize_onnx(model, path)
    onnx.helper.set_model_props(model, {"cae": to_json(metadata)})
    onnx.checker.check_model(model)
    onnx.save(model, path)


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
    """Write a .keras file of one flat model, so that tied kernels stay one."""
    flatten(part).save(path)
    add_to_archive(path, metadata)


WRITERS: dict[str, Writer] = {
    "savedmodel": write_savedmodel,
    "onnx": write_onnx,
    "litert": write_litert,
    "keras": write_keras,
}
