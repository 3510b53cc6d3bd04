"""What is exported does not depend on the machine that exports it, and needs no more of this program than it must."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from cae.config import RunConfig
from cae.exporting.parts import make_part
from cae.exporting.writers import WRITERS, PlainGraph, make_metadata
from cae.plan.lowering import Device
from tests.export.models import build, make_batch

pytest.importorskip("tf2onnx")
onnx = pytest.importorskip("onnx")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def on_a_gpu(monkeypatch):
    find = tf.config.list_logical_devices
    gpu = tf.config.LogicalDevice("/device:GPU:0", "GPU")
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [gpu] if kind == "GPU" else find(kind))


def with_matrix_units(monkeypatch):
    monkeypatch.setattr("cae.model.lowered.this_cpu", lambda: Device(has_matrix_units=True))


def without_matrix_units(monkeypatch):
    monkeypatch.setattr("cae.model.lowered.this_cpu", Device)


MACHINES = [on_a_gpu, with_matrix_units, without_matrix_units]


def lowered_operations(autoencoder):
    """Types of the operations that the program itself runs."""
    function = tf.function(lambda images: autoencoder.decode(*autoencoder.encode(images, True), True))
    graph = function.get_concrete_function(tf.zeros((1, *autoencoder.plan.image_shape))).graph
    return sorted(operation.type for operation in graph.get_operations())


def exported_bytes(autoencoder, folder):
    keras.utils.clear_session()  # which counts names
    part = make_part(autoencoder, "autoencoder")
    metadata = make_metadata(part, RunConfig(), "digest", quantize=False)
    graph = PlainGraph(part).serve.get_concrete_function().graph.as_graph_def()
    found = {"graph": graph.SerializeToString(deterministic=True)}
    for name, ending in {"onnx": ".onnx", "keras": ".keras"}.items():
        WRITERS[name](part, folder / f"model{ending}", metadata, False)
    with zipfile.ZipFile(folder / "model.keras") as archive:
        config = archive.read("config.json").decode()
    ids = dict.fromkeys(re.findall(r'(?<="shared_object_id": )\d+', config))  # places in memory
    for number, place in enumerate(ids):
        config = config.replace(f'"shared_object_id": {place}', f'"shared_object_id": {number}')
    found["keras"] = config
    found["onnx"] = nameless(onnx.load(folder / "model.onnx").graph)
    return found


def nameless(graph):
    """Nodes with what they are given: the converter's own names depend on the order of a set."""
    given = {array.name: onnx.numpy_helper.to_array(array).tobytes() for array in graph.initializer}
    nodes = []
    for number, node in enumerate(graph.node):
        attributes = sorted(attribute.SerializeToString() for attribute in node.attribute)
        nodes.append([node.op_type, [given.get(name, name) for name in node.input], attributes])
        given |= {name: f"{number}, {place}" for place, name in enumerate(node.output)}
    return nodes


def test_files_are_the_same_whatever_the_machine_computes_faster(tmp_path):
    autoencoder = build(["resize", "fixed_unpool", "subpixel", "conv_transpose"], (16, 32, 1))
    found, ways = [], []
    for machine in MACHINES:
        with pytest.MonkeyPatch.context() as monkeypatch:
            machine(monkeypatch)
            found.append(exported_bytes(autoencoder, tmp_path))
            ways.append(lowered_operations(autoencoder))
    assert ways[0] != ways[1]  # the machines are told apart, where it is for speed
    assert found[0] == found[1] == found[2]


def test_an_encoder_without_switches_opens_in_keras_without_this_program(tmp_path):
    autoencoder = build(
        "subpixel", (21, 14, 3), bottleneck={"kind": "dense", "units": 5}, normalization="batch", dropout=0.1
    )
    part = make_part(autoencoder, "encoder")
    WRITERS["keras"](part, tmp_path / "encoder.keras", make_metadata(part, RunConfig(), "", quantize=False), False)
    images = make_batch((21, 14, 3))
    np.save(tmp_path / "images.npy", images)
    program = """if True:
        import keras, numpy, sys
        sys.modules["cae"] = None  # to import it is an error, also where it is installed
        model = keras.models.load_model("encoder.keras")
        numpy.save("latent.npy", model(numpy.load("images.npy")))
    """
    subprocess.run([sys.executable, "-I", "-c", program], cwd=tmp_path, check=True, capture_output=True, timeout=120)
    np.testing.assert_allclose(np.load(tmp_path / "latent.npy"), autoencoder.encode(images)[0], atol=1e-5)


def test_every_reshaping_in_a_graph_says_its_shape():
    part = make_part(build("max_unpool", (15, 10, 1)), "autoencoder")
    operations = PlainGraph(part).serve.get_concrete_function().graph.get_operations()
    reshapings = [operation for operation in operations if operation.type == "Reshape"]
    assert reshapings
    assert {operation.inputs[1].op.type for operation in reshapings} == {"Const"}
