"""A model of Keras that a Python program hands over, as the encoder or the decoder: one operation of the plan.

In a run directory it lies as `encoder.keras` or `decoder.keras`, with the weights that training began with. What is
read from there is the architecture, as Keras' safe mode allows it; weights are read only to begin a training.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import zipfile
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from cae.engine import start_engine
from cae.errors import UserError, first_line
from cae.files import file_error, naming, open_regular
from cae.kinds.operations import LayerOperation, Shape
from cae.section import GivenModel

PARTS = ("encoder", "decoder")
"""What can be handed over."""
NAME = "own_{part}"
"""What the operation is called in a plan."""

# A program may hand over several; the newest are kept, two for each training.
_MOST_KEPT = 8
_MOST_BYTES = 1 << 26


class _Kept(NamedTuple):
    """What is known of a model: its architecture as JSON with its first weights, or the file that has both."""

    architecture: str = ""
    weights: tuple[Any, ...] = ()
    file: Path | None = None


_kept: OrderedDict[GivenModel, _Kept] = OrderedDict()


def file_name(part: str) -> str:
    """Its file in a run directory."""
    return f"{part}.keras"


def keep(part: str, model: Any) -> GivenModel:
    """Take a model from a program, and keep it for the plans of this process.

    Args:
        part: `encoder` or `decoder`.
        model: of Keras, with its weights; one input, one output.

    Returns:
        What a configuration knows of it.

    Raises:
        UserError: it is no such model, has no weights yet or some that are no numbers, or cannot be made again from
            what Keras writes of it.
    """
    import keras
    import numpy as np

    if not isinstance(model, keras.Model):
        raise UserError(f"`{part}` must be a model of Keras. Received: {model!r}.")
    if not model.built:
        raise UserError(
            f"`{part}` must be built: call {model.name} on images, or give it an Input. Received: {model!r}."
        )
    try:
        plain = keras.saving.serialize_keras_object(model)
        plain["compile_config"] = None
        architecture = json.dumps(plain)
        with keras.StatelessScope(initialize_variables=False):  # nothing is drawn for weights that are thrown away
            shapes = [tuple(weight.shape) for weight in _make(architecture).weights]
        if shapes != [tuple(weight.shape) for weight in model.weights]:
            raise ValueError("the weights have other shapes then.")
    except Exception as error:  # of layers of the user's, with whatever configuration
        raise UserError(
            f"`{part}`: {model.name} cannot be made again from what Keras writes of it, so that no run could be read"
            " later. Its own classes need `get_config` and @keras.saving.register_keras_serializable(), and Lambda"
            f" layers must become such classes. Keras says: {first_line(error)}"
        ) from error
    weights = tuple(model.get_weights())
    for weight, values in zip(model.weights, weights, strict=True):
        if not np.isfinite(values).all():
            raise UserError(f"`{part}`: {model.name} has NaN or infinity among its weights {weight.path}.")
    section = GivenModel(
        name=model.name,
        sha256=hashlib.sha256(json.dumps(_without_names(plain), sort_keys=True).encode()).hexdigest(),
        weights_sha256=_digest(weights),
    )
    _remember(section, _Kept(architecture, weights))
    return section


def _digest(weights: Iterable[Any]) -> str:
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(weight.tobytes())
    return digest.hexdigest()


def find_beside(config: Path, part: str, section: GivenModel) -> None:
    """Remember the file beside a run's configuration, where it is there; nothing is read yet.

    Args:
        config: the configuration's file.
        part: `encoder` or `decoder`.
        section: what the configuration knows of the model.
    """
    file = config.with_name(file_name(part))
    kept = _kept.get(section)
    if not (kept and kept.architecture) and file.exists():
        _remember(section, _Kept(file=file))


def save(section: GivenModel, path: Path) -> None:
    """Write a model with the weights that it was handed over with, whole or not at all."""
    from cae.atomic_files import replacing

    model = make(section)
    model.set_weights(first_weights(section))
    with replacing(path) as temporary:
        model.save(temporary)


def _remember(section: GivenModel, kept: _Kept) -> None:
    _kept[section] = kept
    _kept.move_to_end(section)
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)


def make(section: GivenModel, name: str | None = None) -> Any:
    """Make the model anew, with weights that are not yet those of the run.

    Raises:
        UserError: it is neither in this process nor beside the configuration, or Keras cannot read it.
    """
    kept = _find(section)
    if kept.architecture:
        architecture = kept.architecture
    else:
        assert kept.file is not None
        architecture = _read_architecture(kept.file)
    try:
        model = _make(architecture)
    except Exception as error:
        raise UserError(
            f"{kept.file or section.name}: Keras cannot make the model {section.name}: its own classes must be imported"
            f" before, where @keras.saving.register_keras_serializable() is. {first_line(error)}"
        ) from error
    if name is not None:
        model.name = name
    return model


def first_weights(section: GivenModel) -> list[Any]:
    """The weights that it was handed over with.

    Raises:
        UserError: it is neither in this process nor beside the configuration, or Keras cannot read it; or what is there
            has other weights.
    """
    kept = _find(section)
    if kept.architecture and _digest(kept.weights) != section.weights_sha256:
        raise UserError(
            f"the model {section.name} is here with other weights than the configuration says; hand it over again, with"
            " cae.train(config, encoder=..., decoder=...)"
        )
    if not kept.architecture:
        import keras

        assert kept.file is not None
        architecture = _read_architecture(kept.file)
        with naming(kept.file):
            weights = tuple(keras.saving.load_model(kept.file, compile=False, safe_mode=True).get_weights())
        if _digest(weights) != section.weights_sha256:
            raise file_error(kept.file, "holds other weights than the configuration says.")
        kept = _Kept(architecture, weights)
        _remember(section, kept)  # the file goes away with a run that starts afresh
    return list(kept.weights)


def _find(section: GivenModel) -> _Kept:
    # Where weights make no difference, any of the architecture will do.
    alike = (one for key, one in _kept.items() if key.sha256 == section.sha256)
    kept = _kept.get(section) or next(alike, None)
    if kept is None:
        raise UserError(
            f"the model {section.name} was handed over by a Python program and does not lie beside the configuration;"
            " hand it over again, with cae.train(config, encoder=..., decoder=...)"
        )
    return kept


def _read_architecture(file: Path) -> str:
    with naming(file), open_regular(file) as opened, zipfile.ZipFile(opened) as archive:
        size = archive.getinfo("config.json").file_size
        if size > _MOST_BYTES:
            raise file_error(file, f"an architecture has at most {_MOST_BYTES:,} bytes. Received: {size:,}.")
        return archive.read("config.json").decode("utf-8")


def _make(architecture: str) -> Any:
    import keras

    return keras.saving.deserialize_keras_object({**json.loads(architecture), "compile_config": None}, safe_mode=True)


def _without_names(plain: Any) -> Any:
    """An architecture with numbers for the names of layers: Keras counts them in each process."""
    numbers: dict[str, str] = {}
    for config in _configs(plain):
        if isinstance(config.get("name"), str) and ("trainable" in config or "batch_shape" in config):
            numbers.setdefault(config["name"], f"#{len(numbers)}")

    def numbered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: numbered(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [numbered(inner) for inner in value]
        return numbers.get(value, value) if isinstance(value, str) else value

    return numbered(plain)


def _configs(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if isinstance(value.get("config"), dict):
            yield value["config"]
        value = list(value.values())
    for inner in value if isinstance(value, list | tuple) else ():
        yield from _configs(inner)


def stages_of(model: Any) -> int | None:
    """How many times a model halves images; None where it gives no map, or does not say what it takes."""
    import keras

    # A subclass of Model knows the images that it was built with only.
    has_inputs, built = getattr(model, "inputs", None), model.get_build_config() or {}
    taken: Any = model.input_shape if has_inputs else built.get("input_shape")
    if not _is_shape(taken, 4):
        return None
    shape = (*(side or 256 for side in taken[1:3]), *taken[3:])
    try:
        made = model(keras.KerasTensor((None, *shape), dtype="float32")).shape
    except Exception:  # its plan will say what is wrong
        return None
    if not _is_shape(made, 4) or None in made[1:3]:
        return None
    return max(0, round(math.log2(shape[0] / made[1])))


def _is_shape(value: Any, rank: int) -> bool:
    """Whether it is the shape of one tensor, and not several."""
    sides = value if isinstance(value, list | tuple) else ()
    return len(sides) == rank and all(side is None or isinstance(side, int) for side in sides)


@dataclass(frozen=True)
class OwnModel(LayerOperation):
    """A whole model as one operation; it computes in its own precision.

    Args:
        model: what the configuration knows of it.
        sha256: of its architecture.
        weights: how many it has.
        gives_vector: whether it gives a vector, or else a map of its output shape.
        takes_vector: whether it is given one.
    """

    model: GivenModel = field(compare=False)
    sha256: str
    weights: int
    gives_vector: bool = False
    takes_vector: bool = False

    @property
    def parameters(self) -> int:
        return self.weights

    @property
    def macs(self) -> int:
        return self._cost.macs

    @property
    def workspace(self) -> int:
        """Values of one image that wait for the backward pass, at most: what its operations give."""
        return self._cost.values

    @property
    def _cost(self) -> _Cost:
        return _cost_of(self.model, self.given)

    @property
    def given(self) -> tuple[int, ...]:
        """Shape of what it is given, without the batch."""
        return self.input_shape[2:] if self.takes_vector else self.input_shape

    @property
    def summary(self) -> str:
        return f"{self.model.name}, your own"

    def reach(self, field: float, jump: float) -> tuple[float, float]:
        return math.inf, jump

    def make_layer(self, **options: Any) -> Any:
        return make(self.model, options["name"])


def plan_own(part: str, section: GivenModel, given: Shape, *, is_vector: bool = False) -> OwnModel:
    """Plan a model that was handed over.

    Args:
        part: `encoder` or `decoder`.
        section: what the configuration knows of it.
        given: shape of what it is given, an image or a code.
        is_vector: whether that is a vector.

    Raises:
        UserError: it is missing, cannot be read, or does not take such things or gives no maps and no vectors.
    """
    _find(section)  # before Keras is imported
    shape, weights = _look_at(part, section, given[2:] if is_vector else given)
    gives_vector = len(shape) == 1
    output: Shape = (1, 1, shape[0]) if gives_vector else (shape[0], shape[1], shape[2])
    name = NAME.format(part=part)
    return OwnModel(name, given, output, section, section.sha256, weights, gives_vector, is_vector)


@functools.lru_cache(maxsize=256)
def _look_at(part: str, section: GivenModel, given: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    """A model's output shape without the batch, and its number of weights; no memory is taken for these."""
    start_engine()
    import keras

    with keras.StatelessScope(initialize_variables=False):
        model = make(section)
        what = "images" if part == "encoder" else "codes"
        rule = f"`{part}` must take {what} of shape {(None, *given)}"
        if received := _takes_otherwise(model, given):
            hint = " data.image_size and data.channels bring images to its shape." if part == "encoder" else ""
            raise UserError(f"{rule}. Received: the model {section.name}, which takes {received}.{hint}")
        try:
            outputs = model(keras.KerasTensor((None, *given), dtype="float32"))
        except Exception as error:
            raise UserError(
                f"{rule}. Received: the model {section.name}, which fails on them: {type(error).__name__}:"
                f" {first_line(error)}"
            ) from error
    shape = getattr(outputs, "shape", None)
    if shape is None or len(shape) not in (2, 4) or None in shape[1:]:
        shown = tuple(shape) if shape is not None else f"a {type(outputs).__name__} of {len(outputs)}"
        raise UserError(
            f"`{part}` must give one map, (None, height, width, channels), or vector, (None, values), for each image."
            f" Received: the model {section.name}, which gives {shown} for {(None, *given)}."
        )
    return tuple(shape[1:]), model.count_params()


def _takes_otherwise(model: Any, given: tuple[int, ...]) -> str:
    """What a model takes that does not take float32 of a shape; empty where it does, or does not say."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        return ""
    structure = getattr(model, "input", None)
    if len(inputs) > 1 or isinstance(structure, dict):
        return f"{len(inputs)} inputs" if len(inputs) > 1 else "a dict"
    wanted = tuple(inputs[0].shape[1:])
    if len(wanted) != len(given) or any(side not in (None, one) for side, one in zip(wanted, given, strict=True)):
        return f"shape {(None, *wanted)}"
    return "" if "float" in inputs[0].dtype else f"{inputs[0].dtype}, and not float32 in [0, 1]"


class _Cost(NamedTuple):
    macs: int
    values: int


@functools.lru_cache(maxsize=64)
def _cost_of(section: GivenModel, given: tuple[int, ...]) -> _Cost:
    """Multiply-accumulates of convolutions and matrix products for one image, and how many values operations give."""
    import tensorflow as tf

    model = make(section)
    function = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((1, *given), tf.float32)).graph
    macs = values = 0
    for operation in graph.get_operations():
        macs += _macs_of(operation)
        if operation.inputs and operation.type not in _NO_WORK:
            values += sum(_size(output.shape) for output in operation.outputs if output.dtype.is_floating)
    return _Cost(macs, values)


_NO_WORK = ("ReadVariableOp", "Identity", "Reshape", "BiasAdd", "Placeholder")


def _macs_of(operation: Any) -> int:
    match operation.type:
        case "Conv2D" | "Conv3D":
            return _size(operation.outputs[0].shape) * _size(operation.inputs[1].shape[:-1])
        case "DepthwiseConv2dNative":
            return _size(operation.outputs[0].shape) * _size(operation.inputs[1].shape[:2])
        case "Conv2DBackpropInput":  # a transposed convolution
            return _size(operation.inputs[2].shape) * _size(operation.inputs[1].shape[:-1])
        case "MatMul" | "BatchMatMul" | "BatchMatMulV2":
            left, made = operation.inputs[0].shape, operation.outputs[0].shape
            return _size(made) * (_size(left) // max(1, _size(left[:-1])))
    return 0


def _size(shape: Any) -> int:
    return math.prod(side or 0 for side in shape) if shape.rank is not None else 0
