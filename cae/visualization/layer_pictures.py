"""The pictures of one layer: what its maps respond to, its kernels, its maps of one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cae.data.pixels import to_float
from cae.files import printable
from cae.visualization.backward import Projector
from cae.visualization.feature_layers import crop_to_field, receptive_field
from cae.visualization.layer_figures import Feature, draw_activations, draw_feature, draw_features, draw_kernels

if TYPE_CHECKING:
    import keras

    from cae.data.image_set import ImageSet
    from cae.visualization.feature_layers import FeatureLayer
    from cae.visualization.map_choice import Method
    from cae.visualization.responses import Survey


@dataclass(frozen=True)
class LayerPicture:
    """A picture of a layer.

    Args:
        kind: `features`, `kernels` or `activations`.
        file: its file's name.
        heading: what it is, in a word or two.
        description: what it shows, in a sentence.
        pixels: uint8, shape (height, width, 3).
    """

    kind: str
    file: str
    heading: str
    description: str
    pixels: np.ndarray


def draw_layer(
    encoder: keras.Model,
    layer: FeatureLayer,
    surveyed: Survey,
    images: ImageSet,
    maps: Sequence[int],
    *,
    first_maps: np.ndarray,
    method: Method,
    batch_size: int,
    progress: Callable[[int], None] = lambda number: None,
) -> list[LayerPicture]:
    """Draw all that is to be seen of a layer.

    Args:
        encoder: a built encoder.
        layer: of its plan.
        surveyed: what the layer answered to `images`.
        images: in the order in which they were surveyed.
        maps: which maps are drawn with what activates them, in this order.
        first_maps: all maps of the first image, (height, width, maps) or (maps,).
        method: how activations are passed on the way down.
        batch_size: images that are projected at a time.
        progress: is told 1 for each map.

    Returns:
        What the maps respond to, the kernels if the layer has any, and the maps of the first image.
    """
    name = layer.name
    features = _draw_features(encoder, layer, surveyed, images, maps, method, batch_size, progress)
    told = (
        f"The parts of images that activate {len(maps)} of the {layer.num_maps} maps of {name} most, each block beside"
        f" its projections to pixel space by the method {method}."
    )
    pictures = [LayerPicture("features", f"{name}.png", "Features", told, features)]
    if layer.kernel is not None:
        kernels = draw_kernels(layer.kernel.name, _kernel(encoder, layer))
        told = f"The kernels that make the maps of {name}, on one scale around zero."
        pictures.append(LayerPicture("kernels", f"{name}_kernels.png", "Kernels", told, kernels))
    activations = draw_activations(name, first_maps.reshape(layer.shape))
    told = f"All maps of {name} for the image {printable(images.names[0])}."
    pictures.append(LayerPicture("activations", f"{name}_activations.png", "Maps of one image", told, activations))
    return pictures


def _kernel(encoder: keras.Model, layer: FeatureLayer) -> np.ndarray:
    """The layer's kernel, shape (height, width, input channels, maps)."""
    assert layer.kernel is not None
    kernel = np.asarray(encoder.get_layer(layer.kernel.name).kernel, np.float32)
    # A dense layer's is [height * width * channels, units].
    return kernel.reshape(*layer.kernel.input_shape, -1) if kernel.ndim == 2 else kernel


def _draw_features(
    encoder: keras.Model,
    layer: FeatureLayer,
    surveyed: Survey,
    images: ImageSet,
    maps: Sequence[int],
    method: Method,
    batch_size: int,
    progress: Callable[[int], None],
) -> np.ndarray:
    projector = Projector(encoder, layer, method)
    drawn = []
    for number in maps:
        crops, projections = _cropped(projector, layer, surveyed, images, number, batch_size)
        heading = f"map {number}: up to {surveyed.statistics.maximum[number]:.3g}"
        if surveyed.statistics.is_dead[number]:
            heading = f"map {number}: never responds"
        drawn.append(draw_feature(Feature(heading, crops, projections)))  # at once: images may be large
        progress(1)
    height, width = layer.field_size
    legend = (
        f"Left: the parts of images ({height}x{width} pixels) that activate a map most, strongest first."
        " Right: their projections, each scaled by itself; gray is zero. Blue lies outside of the image."
    )
    return draw_features(f"{layer.name}: {len(maps)} of {layer.num_maps} maps, method {method}", legend, drawn)


def _cropped(
    projector: Projector, layer: FeatureLayer, surveyed: Survey, images: ImageSet, number: int, batch_size: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The parts of the images that activate a map most, and of their projections; NaN where nothing responds."""
    crops, projections, top = [], [], surveyed.top
    responds = surveyed.responding(number)
    for start in range(0, len(top.images), batch_size):
        rows = (slice(start, start + batch_size), number)
        positions, values = top.positions[rows], top.values[rows]
        pixels = to_float(images.read(top.images[rows]))
        projected = projector.project(pixels, np.full(len(pixels), number), positions, values)
        pixels[~responds[rows[0]]] = projected[~responds[rows[0]]] = np.nan
        for position, image, projection in zip(positions, pixels, projected, strict=True):
            field = receptive_field(layer.path, *divmod(int(position), layer.shape[1]))
            outside = [np.nan] * image.shape[2]
            crops.append(crop_to_field(image, field, outside))
            projections.append(crop_to_field(projection, field, outside))
    return crops, projections
