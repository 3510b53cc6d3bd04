"""What a run can be exported to, and what each format needs."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cae.errors import ConfigError, UserError


@dataclass(frozen=True)
class Format:
    """An export format.

    Args:
        name: as the command line has it.
        ending: of the file's name; empty for a folder.
        modules: modules beyond this program's own requirements that write the file or read it back.
        served_by: what runs it.
        metadata: where the description of inputs, outputs and run lies.
        quantized: what `--quantize` does; empty where it does nothing.
        loading: Python that loads the export at {path} and calls it with arrays: {listed} by place, {keywords} by
            keyword, {named} in a dictionary, {given} as Keras has them.
    """

    name: str
    ending: str
    modules: tuple[str, ...]
    served_by: str
    metadata: str
    quantized: str
    loading: str

    def check_name(self, out: Path) -> None:
        """Refuse a name that belongs to another format.

        Example:
            >>> FORMATS["onnx"].check_name(Path("model.onnx"))

        Raises:
            ConfigError: the ending is another.
        """
        if self.ending and out.suffix != self.ending:
            raise ConfigError(f"{out}: a file for --format {self.name} must end in {self.ending}.")
        if not self.ending and out.suffix in {other.ending for other in FORMATS.values() if other.ending}:
            raise ConfigError(f"{out}: --format {self.name} makes a folder, not a {out.suffix} file.")

    def show_loading(self, path: Path, inputs: Sequence[str]) -> str:
        """Python that loads an export and calls it.

        Example:
            >>> FORMATS["keras"].show_loading(Path("model.keras"), ["images"])
            "import keras, cae.layers; model = keras.models.load_model('model.keras'); model(images, training=False)"

        Args:
            path: of the export.
            inputs: their names, which stand for arrays.
        """
        named = "{" + ", ".join(f'"{name}": {name}' for name in inputs) + "}"
        return self.loading.format(
            path=repr(str(path)),
            listed=", ".join(inputs),
            keywords=", ".join(f"{name}={name}" for name in inputs),
            named=named,
            given=named if len(inputs) > 1 else inputs[0],
        )

    def check_can_quantize(self) -> None:
        """Refuse `--quantize` where the format has no place for it.

        Raises:
            ConfigError: it has none.
        """
        if not self.quantized:
            able = ", ".join(other.name for other in FORMATS.values() if other.quantized)
            raise ConfigError(f"--quantize: is for --format {able}. Received: --format {self.name}.")

    def check_is_installed(self) -> None:
        """Tell at once, not after the model was loaded, which packages are missing.

        Raises:
            UserError: one is.
        """
        missing = [name for name in self.modules if importlib.util.find_spec(name) is None]
        if missing:
            packages = " ".join(name.replace("_", "-") for name in self.modules)
            raise UserError(
                f"--format {self.name} needs {', '.join(missing)}, which this program does not install by itself. Type:"
                f" pip install {packages}"
            )


FORMATS = {
    found.name: found
    for found in (
        Format(
            "savedmodel",
            "",
            (),
            "TensorFlow, TensorFlow Serving",
            "`assets.extra/cae.json`",
            "",
            "import tensorflow as tf; model = tf.saved_model.load({path}); model.serve({listed})",
        ),
        Format(
            "onnx",
            ".onnx",
            ("tf2onnx", "onnx", "onnxruntime"),
            "ONNX Runtime and others that read ONNX",
            "`metadata_props`, key `cae`",
            "8-bit weights; activations are made 8-bit as they come",
            "import onnxruntime; model = onnxruntime.InferenceSession({path}); model.run(None, {named})",
        ),
        Format(
            "litert",
            ".tflite",
            ("ai_edge_litert",),
            "LiteRT (TensorFlow Lite), on phones too",
            "`cae.json`; the file is a ZIP archive as well",
            "8-bit weights; activations are made 8-bit as they come",
            "from ai_edge_litert.interpreter import Interpreter; "
            "model = Interpreter({path}).get_signature_runner(); model({keywords})",
        ),
        Format(
            "keras",
            ".keras",
            (),
            "Keras, with `cae.layers` imported for layers that Keras lacks",
            "`cae.json` in the ZIP archive that the file is",
            "",
            "import keras, cae.layers; model = keras.models.load_model({path}); model({given}, training=False)",
        ),
    )
}
