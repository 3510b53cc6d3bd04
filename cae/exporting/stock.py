"""A model of Keras' own layers, where Keras has what the layers of this package compute."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from cae.errors import UserError
from cae.layers import Conv2DTransposeToSize, DepthToSpace2D, Resize2D, SpaceToDepth2D


def with_stock_layers(model: keras.Model) -> keras.Model:
    """Copy a flat model with its weights; layers of this package become Keras' own where these compute the same.

    A file of a copy without other layers opens in Keras without this package, on its other backends, too.

    Example:
        >>> model = keras.Sequential([keras.Input((4, 4, 3)), Resize2D(2, output_size=(7, 8))])
        >>> [type(layer).__name__ for layer in with_stock_layers(model).layers[0].layers]
        ['UpSampling2D', 'Cropping2D']

    Args:
        model: functional, without models in it but those of your own.

    Raises:
        UserError: a layer is of a class that Keras cannot find by its name.
    """
    for layer in filter(is_of_others, model.layers):
        name = keras.saving.get_registered_name(type(layer))
        if keras.saving.get_registered_object(name) is None:
            raise UserError(
                f"The layer {type(layer).__name__} can be in a Keras file only if Keras finds its class: put"
                " @keras.saving.register_keras_serializable() on it."
            )

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        make = _MAKERS.get(type(layer))
        if make is None:
            return type(layer).from_config(_without_own_initializers(layer.get_config()))
        parts = make(layer)
        return parts[0] if len(parts) == 1 else keras.Sequential(parts, name=layer.name)

    if not any(type(layer) in _MAKERS for layer in model.layers) and _is_stock(model):
        return model
    copied = keras.models.clone_model(model, clone_function=copy)
    copied.set_weights(model.get_weights())
    return copied


def is_of_others(layer: keras.layers.Layer) -> bool:
    """Whether a layer's class is neither Keras' nor this package's."""
    return type(layer).__module__.partition(".")[0] not in ("keras", "cae")


def _is_stock(model: keras.Model) -> bool:
    return not any("cae>" in str(layer.get_config()) for layer in model.layers)


def _without_own_initializers(config: dict[str, Any]) -> dict[str, Any]:
    """The weights are there, so that nothing is lost with how they began."""
    return {
        key: "zeros" if key.endswith("_initializer") and "cae>" in str(value) else value
        for key, value in config.items()
    }


def _cropped(layer: Any, made: list[keras.layers.Layer], top: tuple[int, int], full: tuple[int, int]) -> list[Any]:
    """Cut the whole result to the layer's output: so much from the top and the left, the rest from the other sides."""
    sides = [(first, all_ - first - size) for first, all_, size in zip(top, full, layer.output.shape[1:3], strict=True)]
    crop = keras.layers.Cropping2D(sides, name=f"{layer.name}_crop", dtype=layer.dtype_policy)
    return made if sides == [(0, 0), (0, 0)] else [*made, crop]


def _middle(layer: Any, made: list[keras.layers.Layer], factor: int) -> list[Any]:
    full = tuple(factor * side for side in layer.input.shape[1:3])
    if getattr(layer, "crops_end", False):
        return _cropped(layer, made, (0, 0), full)
    top = tuple((whole - kept) // 2 for whole, kept in zip(full, layer.output.shape[1:3], strict=True))
    return _cropped(layer, made, top, full)


def _transposed(layer: Conv2DTransposeToSize) -> list[Any]:
    config = {key: value for key, value in layer.get_config().items() if key != "output_size"}
    convolution = keras.layers.Conv2DTranspose.from_config({**_without_own_initializers(config), "padding": "valid"})
    top, full = [], []
    sides = zip(layer.input.shape[1:3], layer.output.shape[1:3], layer.kernel_size, layer.strides, strict=True)
    for given, wanted, kernel, stride in sides:
        top.append(max(0, (given - 1) * stride + kernel - wanted) // 2)
        full.append(given * stride + max(0, kernel - stride))
    return _cropped(layer, [convolution], (top[0], top[1]), (full[0], full[1]))


def _resized(layer: Resize2D) -> list[Any]:
    enlarged = keras.layers.UpSampling2D(
        layer.factor, interpolation=layer.interpolation, name=f"{layer.name}_up", dtype=layer.dtype_policy
    )
    return _middle(layer, [enlarged], layer.factor)


def _opened(layer: DepthToSpace2D) -> list[Any]:
    (height, width, channels), factor = layer.input.shape[1:], layer.factor
    inside = channels // factor**2
    shapes = ((height, width, factor, factor, inside), (height * factor, width * factor, inside))
    return _middle(layer, _moved(layer, shapes, (1, 3, 2, 4, 5)), factor)


def _closed(layer: SpaceToDepth2D) -> list[Any]:
    (height, width, channels), factor = layer.input.shape[1:], layer.factor
    if height % factor or width % factor:
        return [type(layer).from_config(layer.get_config())]
    shapes = ((height // factor, factor, width // factor, factor, channels), layer.output.shape[1:])
    return _moved(layer, shapes, (1, 3, 2, 4, 5))


def _moved(layer: Any, shapes: tuple[tuple[int, ...], tuple[int, ...]], order: tuple[int, ...]) -> list[Any]:
    dtype, name = layer.dtype_policy, layer.name
    return [
        keras.layers.Reshape(shapes[0], name=f"{name}_cells", dtype=dtype),
        keras.layers.Permute(order, name=f"{name}_order", dtype=dtype),
        keras.layers.Reshape(shapes[1], name=f"{name}_pixels", dtype=dtype),
    ]


_MAKERS: dict[type, Callable[[Any], list[Any]]] = {
    Conv2DTransposeToSize: _transposed,
    DepthToSpace2D: _opened,
    Resize2D: _resized,
    SpaceToDepth2D: _closed,
}
