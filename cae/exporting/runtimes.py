"""Run an exported file with its own runtime, away from everything that made it.

`python -m cae.exporting.runtimes FORMAT PATH INPUTS.npz OUTPUTS.npz` is a fresh process that knows nothing but the
file; only for `keras` does it import a part of this program, the layers.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable

import numpy as np

Arrays = dict[str, np.ndarray]
Served = Callable[[Arrays], Arrays]


def load_savedmodel(path: str) -> Served:
    """Load a SavedModel folder."""
    import tensorflow as tf

    loaded = tf.saved_model.load(path)
    signature = loaded.signatures["serving_default"]

    def serve(inputs: Arrays) -> Arrays:
        outputs = signature(**{name: tf.constant(value) for name, value in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}

    # The signature alone does not keep the variables.
    serve.loaded = loaded  # type: ignore[attr-defined]
    return serve


def load_onnx(path: str) -> Served:
    """Load an .onnx file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(None, inputs), strict=True))


def load_litert(path: str) -> Served:
    """Load a .tflite file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    runner = interpreter.get_signature_runner()
    return lambda inputs: {name: np.array(value) for name, value in runner(**inputs).items()}


def load_keras(path: str) -> Served:
    """Load a .keras file; several inputs or outputs are dictionaries by name, a single one is not."""
    import keras

    import cae.layers  # noqa: F401, registers the layers

    with zipfile.ZipFile(path) as archive:
        about = archive.read("cae.json").decode("utf-8")
    model = keras.models.load_model(path)
    names = list(json.loads(about)["outputs"])

    def serve(inputs: Arrays) -> Arrays:
        (first, *others) = inputs.values()
        outputs = model(inputs if others else first, training=False)
        named = outputs if isinstance(outputs, dict) else {names[0]: outputs}
        return {name: np.asarray(value) for name, value in named.items()}

    return serve


LOADERS: dict[str, Callable[[str], Served]] = {
    "savedmodel": load_savedmodel,
    "onnx": load_onnx,
    "litert": load_litert,
    "keras": load_keras,
}


def main(format_name: str, path: str, given: str, taken: str) -> None:
    """Compute outputs of all inputs and, put behind them, of the first alone: batches of two sizes, one model."""
    served = LOADERS[format_name](path)
    with np.load(given) as arrays:
        inputs = dict(arrays)
    np.savez(taken, **serve_twice(served, inputs))  # type: ignore[arg-type]


def serve_twice(served: Served, inputs: Arrays) -> Arrays:
    """Outputs of a whole batch, followed by those of its first row alone."""
    outputs = served(inputs)
    first = served({name: value[:1] for name, value in inputs.items()})
    return {name: np.concatenate([value, first[name]]) for name, value in outputs.items()}


if __name__ == "__main__":
    main(*sys.argv[1:])
