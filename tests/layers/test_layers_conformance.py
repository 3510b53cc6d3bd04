"""What every public layer must do, whatever it computes; a public layer without a case fails."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import cae.layers
from cae.layers import (
    BilinearAdditive2D,
    Blur2D,
    Carafe2D,
    Conv2DTransposeToSize,
    DepthToSpace2D,
    DivisiveNormalization2D,
    DuplicateToSpace2D,
    DySample2D,
    FixedUnpooling2D,
    HaarTransform2D,
    ICNRInitializer,
    IndexedPooling2D,
    IndexedUnpooling2D,
    InverseHaarTransform2D,
    MaxPooling2DWithSwitches,
    MaxUnpooling2D,
    ReflectConv2D,
    Resize2D,
    ResizeInitializer,
    SpaceToChannelMean2D,
    SpaceToDepth2D,
    TiedConv2DTranspose,
)

Shapes = list[tuple[tuple[int, ...], str]]  # of each input: (height, width, channels) and type

IMAGE: Shapes = [((5, 7, 8), "float")]
NINE_CHANNELS: Shapes = [((3, 2, 9), "float")]
INDEXED: Shapes = [((3, 4, 2), "float"), ((8, 10, 2), "float")]
PAIR: Shapes = [((3, 4, 2), "float"), ((3, 4, 2), "uint8")]
SHARED_PAIR: Shapes = [((3, 4, 2), "float"), ((3, 4, 1), "uint8")]


def icnr_convolution(**kwargs: Any) -> keras.layers.Layer:
    initializer = ICNRInitializer(2, keras.initializers.HeUniform(seed=3))
    return keras.layers.Conv2D(8, 3, padding="same", kernel_initializer=initializer, **kwargs)


def tied_to_a_convolution(**kwargs: Any) -> keras.layers.Layer:
    convolution = keras.layers.Conv2D(8, (3, 2), (2, 3), padding="same")
    convolution.build((None, 9, 19, 3))
    return TiedConv2DTranspose(convolution, (9, 19), **kwargs)


# Not the defaults, and sizes that are odd, not square and cropped.
CASES: dict[str, tuple[Callable[..., keras.layers.Layer], Shapes]] = {
    "BilinearAdditive2D": (lambda **k: BilinearAdditive2D(3, (8, 5), **k), NINE_CHANNELS),
    "Blur2D": (lambda **k: Blur2D(3, **k), IMAGE),
    "DySample2D": (lambda **k: DySample2D(3, (14, 19), groups=2, dynamic_scope=True, **k), IMAGE),
    "HaarTransform2D": (lambda **k: HaarTransform2D(**k), IMAGE),
    "InverseHaarTransform2D": (lambda **k: InverseHaarTransform2D((5, 7), **k), [((3, 4, 8), "float")]),
    "Carafe2D": (lambda **k: Carafe2D(3, (14, 19), up_kernel=3, compressed_channels=4, **k), IMAGE),
    "Conv2DTransposeToSize": (
        lambda **k: Conv2DTransposeToSize(3, (3, 2), (2, 3), (9, 19), kernel_regularizer="l2", **k),
        IMAGE,
    ),
    "DepthToSpace2D": (lambda **k: DepthToSpace2D(3, (8, 5), crops_end=True, **k), NINE_CHANNELS),
    "DivisiveNormalization2D": (lambda **k: DivisiveNormalization2D(inverse=True, **k), IMAGE),
    "DuplicateToSpace2D": (lambda **k: DuplicateToSpace2D(3, 2, (8, 5), **k), NINE_CHANNELS),
    "FixedUnpooling2D": (lambda **k: FixedUnpooling2D(3, (14, 19), **k), IMAGE),
    "ICNRInitializer": (icnr_convolution, IMAGE),
    "IndexedPooling2D": (lambda **k: IndexedPooling2D(3, **k), IMAGE),
    "IndexedPooling2D, hard": (lambda **k: IndexedPooling2D(3, "hard", "per_place", return_indices=False, **k), IMAGE),
    "IndexedUnpooling2D": (lambda **k: IndexedUnpooling2D(3, (8, 10), **k), INDEXED),
    "MaxPooling2DWithSwitches": (lambda **k: MaxPooling2DWithSwitches(3, **k), IMAGE),
    "MaxPooling2DWithSwitches, shared": (lambda **k: MaxPooling2DWithSwitches(3, "per_place", **k), IMAGE),
    "MaxUnpooling2D": (lambda **k: MaxUnpooling2D(3, (8, 10), **k), PAIR),
    "MaxUnpooling2D, repeated": (lambda **k: MaxUnpooling2D(3, (8, 10), unpool="repeat", **k), PAIR),
    "MaxUnpooling2D, shared": (lambda **k: MaxUnpooling2D(3, (8, 10), "per_place", **k), SHARED_PAIR),
    "TiedConv2DTranspose": (tied_to_a_convolution, IMAGE),
    "ReflectConv2D": (lambda **k: ReflectConv2D(2, 4, **k), IMAGE),
    "Resize2D": (lambda **k: Resize2D(3, "bicubic", (14, 19), **k), IMAGE),
    "ResizeInitializer": (
        lambda **k: Conv2DTransposeToSize(3, 4, 2, kernel_initializer=ResizeInitializer(initializer="ones"), **k),
        IMAGE,
    ),
    "SpaceToChannelMean2D": (lambda **k: SpaceToChannelMean2D(3, 12, **k), IMAGE),
    "SpaceToDepth2D": (lambda **k: SpaceToDepth2D(3, **k), IMAGE),
}

every_layer = pytest.mark.parametrize(("make", "shapes"), CASES.values(), ids=CASES)


def example(shapes: Shapes, batch: int = 2, dtype: str = "float32") -> Any:
    generator = np.random.default_rng(batch)
    inputs = [
        generator.integers(0, 9, (batch, *shape)).astype("uint8")
        if kind == "uint8"
        else tf.cast(generator.normal(size=(batch, *shape)), dtype)
        for shape, kind in shapes
    ]
    return tuple(tf.constant(array) for array in inputs) if len(inputs) > 1 else inputs[0]


def symbolic_example(shapes: Shapes, batch: int | None = None) -> Any:
    inputs = [
        keras.Input(shape, batch_size=batch, dtype="uint8" if kind == "uint8" else None) for shape, kind in shapes
    ]
    return tuple(inputs) if len(inputs) > 1 else inputs[0]


def float_part(outputs: Any) -> tf.Tensor:
    return tf.nest.flatten(outputs)[0]


def assert_alike(outputs: Any, expected: Any, tolerance: float = 1e-5) -> None:
    for output, value in zip(tf.nest.flatten(outputs), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(
            tf.cast(output, tf.float64), tf.cast(value, tf.float64), atol=tolerance, rtol=tolerance
        )


def test_every_public_layer_has_a_case() -> None:
    assert {name.partition(",")[0] for name in CASES} == set(cae.layers.__all__)


@every_layer
def test_a_configuration_round_trip_changes_nothing(make: Any, shapes: Shapes) -> None:
    layer = make(name="the_layer")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    copy = keras.saving.deserialize_keras_object(config)
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert layer.from_config(layer.get_config()).get_config() == layer.get_config()


@every_layer
def test_a_saved_model_gives_the_same_results(make: Any, shapes: Shapes, tmp_path: Path) -> None:
    inputs = symbolic_example(shapes)
    model = keras.Model(inputs, make()(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_alike(loaded(example(shapes)), model(example(shapes)), tolerance=0.0)


@every_layer
@pytest.mark.parametrize("batch", [None, 2])
def test_symbolic_and_computed_shapes_and_types_are_equal(make: Any, shapes: Shapes, batch: int | None) -> None:
    layer = make()
    symbolic = tf.nest.flatten(layer(symbolic_example(shapes, batch)))
    computed = tf.nest.flatten(layer(example(shapes)))
    for promised, kept in zip(symbolic, computed, strict=True):
        assert promised.shape == (batch, *kept.shape[1:])
        assert promised.dtype == kept.dtype.name


@every_layer
def test_one_graph_serves_every_batch_size(make: Any, shapes: Shapes) -> None:
    layer = make()
    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, *array.shape[1:]), array.dtype), example(shapes)
    )
    graph = tf.function(layer, input_signature=[signature])
    for batch in (1, 2):
        assert_alike(graph(example(shapes, batch)), layer(example(shapes, batch)))
    outputs = tf.nest.flatten(graph.get_concrete_function().structured_outputs)
    assert all(output.shape[1:].is_fully_defined() for output in outputs)


@every_layer
@pytest.mark.parametrize("compiled", [False, True])
def test_graph_and_compiled_results_and_gradients_are_the_eager_ones(make: Any, shapes: Shapes, compiled: bool) -> None:
    layer, inputs = make(), example(shapes)

    def value_and_gradient(inputs: Any) -> tuple[Any, tf.Tensor]:
        source = float_part(inputs)
        with tf.GradientTape() as tape:
            tape.watch(source)
            outputs = layer(inputs)
            loss = tf.reduce_sum(tf.sin(float_part(outputs)))
        return outputs, tape.gradient(loss, source)

    assert_alike(tf.function(value_and_gradient, jit_compile=compiled)(inputs), value_and_gradient(inputs))


@every_layer
@pytest.mark.parametrize(("dtype", "tolerance"), [("float16", 1e-2), ("bfloat16", 5e-2)])
@pytest.mark.parametrize("compiled", [False, True])
def test_16_bit_results_are_the_float32_ones_but_rounder(
    make: Any, shapes: Shapes, dtype: str, tolerance: float, compiled: bool
) -> None:
    narrow, wide = make(dtype=dtype), make(dtype="float32")
    inputs = example(shapes, dtype=dtype)
    rounded = tf.nest.map_structure(lambda array: tf.cast(array, tf.float32) if array.dtype == dtype else array, inputs)
    expected = wide(rounded)
    narrow(inputs)
    narrow.set_weights(wide.get_weights())
    outputs = tf.function(narrow, jit_compile=compiled)(inputs)
    assert float_part(outputs).dtype == dtype
    assert_alike(outputs, expected, tolerance)


@every_layer
def test_mixed_precision_computes_in_16_bits_and_keeps_weights_in_32(make: Any, shapes: Shapes) -> None:
    layer = make(dtype="mixed_bfloat16")
    outputs = layer(example(shapes))
    assert float_part(outputs).dtype == tf.bfloat16
    assert float_part(layer(symbolic_example(shapes))).dtype == "bfloat16"
    assert all(weight.dtype == "float32" for weight in layer.weights)


NOWHERE_LINEAR = {"Carafe2D", "DySample2D", "DivisiveNormalization2D", "IndexedPooling2D", "IndexedPooling2D, hard"}


@pytest.mark.parametrize("name", sorted(CASES.keys() - NOWHERE_LINEAR))
def test_the_gradient_is_the_transpose(name: str) -> None:
    make, shapes = CASES[name]
    # For what is linear between kinks and maps 0 to 0: <f(x), w> = <x, gradient of <f(x), w>>.
    layer, inputs = make(dtype="float64"), example(shapes, dtype="float64")
    source = float_part(inputs)
    with tf.GradientTape() as tape:
        tape.watch(source)
        outputs = float_part(layer(inputs))
    weights = np.random.default_rng(5).normal(size=outputs.shape)
    gradient = tape.gradient(outputs, source, tf.constant(weights))
    assert np.vdot(outputs, weights) == pytest.approx(np.vdot(source, gradient))


@every_layer
def test_inputs_of_another_rank_are_refused(make: Any, shapes: Shapes) -> None:
    flat = tf.nest.map_structure(lambda array: array[0], example(shapes))
    with pytest.raises(ValueError, match=r"ndim=3|expected min_ndim=4"):
        make()(flat)


# Each layer in a Keras model of one's own; those whose output has one size only are tried for it below.
ANY_SIZE: dict[str, Callable[[Any], Any]] = {
    "BilinearAdditive2D": BilinearAdditive2D(2),
    "Blur2D": Blur2D(2),
    "Carafe2D": Carafe2D(2),
    "DySample2D": DySample2D(2),
    "HaarTransform2D": HaarTransform2D(),
    "InverseHaarTransform2D": InverseHaarTransform2D(),
    "Conv2DTransposeToSize": Conv2DTransposeToSize(2, 3, 2),
    "DepthToSpace2D": DepthToSpace2D(2),
    "DivisiveNormalization2D": DivisiveNormalization2D(),
    "DuplicateToSpace2D": DuplicateToSpace2D(2, 3),
    "FixedUnpooling2D": FixedUnpooling2D(3),
    "IndexedPooling2D": lambda maps: IndexedPooling2D()(maps)[0],
    "IndexedUnpooling2D": lambda maps: IndexedUnpooling2D()(IndexedPooling2D(2, "hard", "per_place")(maps)),
    "MaxPooling2DWithSwitches": lambda maps: MaxPooling2DWithSwitches(2)(maps)[0],
    "MaxUnpooling2D": lambda maps: MaxUnpooling2D(2)(MaxPooling2DWithSwitches(2)(maps)),
    "ReflectConv2D": ReflectConv2D(2, 3),
    "Resize2D": Resize2D(3),
    "Resize2D, bicubic": Resize2D(2, "bicubic"),
    "SpaceToChannelMean2D": SpaceToChannelMean2D(3, 6),
    "SpaceToDepth2D": SpaceToDepth2D(3),
}
ONE_SIZE = {"TiedConv2DTranspose"}  # its output size is an argument that it needs


@functools.cache
def model_for_any_size(name: str) -> keras.Model:
    inputs = keras.Input((None, None, 4))
    return keras.Model(inputs, ANY_SIZE[name](inputs))


def gradients_of(model: Any) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    def gradients(images: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = model(images, training=True)
            loss = tf.reduce_sum(tf.sin(outputs))
        return [outputs, tape.gradient(loss, images)]

    return gradients


def test_every_layer_is_tried_with_unknown_height_and_width() -> None:
    layers = {name for name in cae.layers.__all__ if issubclass(getattr(cae.layers, name), keras.layers.Layer)}
    assert {name.partition(",")[0] for name in ANY_SIZE} | ONE_SIZE == layers


@pytest.mark.parametrize("name", ANY_SIZE)
def test_height_and_width_may_be_unknown_when_the_graph_is_made(name: str, tmp_path: Path) -> None:
    """Values and gradients are those of a graph that knows them, compiled or not, and of a SavedModel."""
    model = model_for_any_size(name)
    assert model.output_shape[:3] == (None, None, None)
    specification = tf.TensorSpec((None, None, None, 4))
    unknown = tf.function(gradients_of(model), input_signature=[specification])
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    tf.saved_model.save(model, tmp_path / "saved")
    for size in ((5, 7), (6, 4)):
        images = tf.constant(np.random.default_rng(6).normal(size=(2, *size, 4)), tf.float32)
        expected = gradients_of(model)(images)
        assert_alike(unknown(images), expected)
        if size == (5, 7):
            assert_alike(exported.serve(images), expected[0])
    compiled = tf.function(gradients_of(model), jit_compile=True, input_signature=[tf.TensorSpec(images.shape)])
    assert_alike(compiled(images), expected)


@pytest.mark.parametrize("name", ["MaxUnpooling2D", "DepthToSpace2D", "Resize2D", "Conv2DTransposeToSize"])
def test_an_exact_size_may_be_restored_of_maps_whose_size_is_unknown(name: str) -> None:
    """Bounded by `output_size`, of inputs that fit it though the graph does not know so."""
    enlarge: Any = {
        "MaxUnpooling2D": lambda maps: MaxUnpooling2D(2, (7, 9))(MaxPooling2DWithSwitches(2)(maps)),
        "DepthToSpace2D": lambda maps: DepthToSpace2D(2, (13, 17))(maps),
        "Resize2D": lambda maps: Resize2D(2, "bilinear", (13, 17))(maps),
        "Conv2DTransposeToSize": Conv2DTransposeToSize(2, 3, 2, (13, 17), kernel_initializer="ones"),
    }[name]
    inputs = keras.Input((None, None, 4))
    model = keras.Model(inputs, enlarge(inputs))
    unknown = tf.function(gradients_of(model), input_signature=[tf.TensorSpec((None, None, None, 4))])
    images = tf.constant(np.random.default_rng(8).normal(size=(2, 7, 9, 4)), tf.float32)
    assert_alike(unknown(images), gradients_of(enlarge_with_training(enlarge))(images))


def enlarge_with_training(enlarge: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda maps, training: enlarge(maps)


def test_unpooling_an_image_of_unknown_size_undoes_pooling_up_to_whole_windows() -> None:
    def there_and_back(images: tf.Tensor) -> tf.Tensor:
        return MaxUnpooling2D(3)(MaxPooling2DWithSwitches(3)(images))

    graph = tf.function(there_and_back, input_signature=[tf.TensorSpec((None, None, None, 2))])
    images = np.random.default_rng(7).normal(size=(2, 6, 9, 2)).astype("float32")
    restored = graph(images)
    np.testing.assert_array_equal(restored, np.where(np.array(restored) == 0, 0, images))
    assert np.count_nonzero(restored) == 2 * 2 * 3 * 2
