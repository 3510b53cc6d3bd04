"""The pictures of a layer: kernels, activations and strongest images on one sheet, signed values as colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cae.data.pixels import to_float
from cae.files import printable
from cae.pictures import Canvas, image_colors, line_height, scale_colors, stack, text_width
from cae.visualization.backward import Projector
from cae.visualization.feature_layers import crop_to_field, receptive_field

if TYPE_CHECKING:
    import keras

    from cae.data.image_set import ImageSet
    from cae.visualization.feature_layers import FeatureLayer
    from cae.visualization.map_choice import Method
    from cae.visualization.responses import Survey


# Blue, white, red: the ends and the quarters of ColorBrewer's RdBu, reversed.
_DIVERGING = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))


def signed_colors(values: np.ndarray, largest: float) -> np.ndarray:
    """Colours from blue over white to red: any shape (...), to uint8 (..., 3).

    Example:
        >>> signed_colors(np.array([-2.0, 0.0, 9.0]), largest=2.0).tolist()
        [[5, 48, 97], [247, 247, 247], [103, 0, 31]]

    Args:
        values: signed; beyond `largest` they have the last colour, NaN is white.
        largest: the absolute value of the last colours; 0 makes everything white.
    """
    shares = np.clip(np.nan_to_num(values, nan=0.0) / (largest or 1.0), -1.0, 1.0)
    places = np.linspace(-1.0, 1.0, len(_DIVERGING))
    channels = [np.interp(shares, places, anchors) for anchors in np.transpose(_DIVERGING)]
    return (np.stack(channels, axis=-1) + 0.5).astype(np.uint8)


def centred(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Signed values as pixels in [0, 1], channel for channel: 0 becomes 0.5, the largest absolute value 0 or 1.

    Example:
        >>> centred(np.array([-1.0, 0.0, 2.0])).tolist()
        [0.25, 0.5, 1.0]

    Args:
        values: any shape; where nothing differs from 0, all becomes 0.5.
        largest: the absolute value that becomes 0 or 1; None for that of the values.
    """
    if largest is None:
        largest = float(np.max(np.abs(values), initial=0.0))
    return 0.5 + values / (2.0 * (largest or 1.0))


WIDEST = 2000
_MARGIN = 8
_BAR_WIDTH, _BAR_HEIGHT = 128, 12
# As the canvas.
PAPER = (238, 238, 238)


def tile(
    pictures: Sequence[np.ndarray], columns: int, gap: int, background: tuple[int, int, int] = PAPER
) -> np.ndarray:
    """Put pictures of one size in rows.

    Example:
        >>> tile([np.zeros((4, 6, 3), np.uint8)] * 5, columns=3, gap=1).shape
        (9, 20, 3)

    Args:
        pictures: uint8, shape (height, width, 3); at least one.
        columns: pictures beside each other.
        gap: pixels between them.
        background: colour of what is between them.
    """
    height, width, _ = pictures[0].shape
    rows = math.ceil(len(pictures) / columns)
    columns = min(columns, len(pictures))
    sheet = blank(rows * (height + gap) - gap, columns * (width + gap) - gap, background)
    for number, picture in enumerate(pictures):
        row, column = divmod(number, columns)
        top, left = row * (height + gap), column * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def blank(height: int, width: int, color: tuple[int, int, int] = PAPER) -> np.ndarray:
    """A sheet of one colour: uint8, shape (height, width, 3)."""
    return np.full((height, width, 3), color, np.uint8)


def fit(picture: np.ndarray, side: int, most: int | None = None) -> np.ndarray:
    """Enlarge a small picture by a whole number to about `side` pixels; reduce one larger than `most`.

    Args:
        picture: uint8, shape (height, width, 3).
        side: the longer side that is wanted.
        most: the longest side that is allowed; None for any.
    """
    height, width, _ = picture.shape
    scale: float = max(1, side // max(height, width))
    if most is not None and max(height, width) > most:
        scale = most / max(height, width)
    if scale == 1:
        return picture
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(np.ascontiguousarray(picture)).resize(size, method))


def titled(title: str, picture: np.ndarray) -> np.ndarray:
    """A line of text above a picture, on a sheet with a margin."""
    height, width, _ = picture.shape
    canvas = Canvas(max(width, text_width(title)) + 2 * _MARGIN, height + line_height() + _MARGIN)
    canvas.write(title, _MARGIN, 0)
    canvas.paste(picture, _MARGIN, line_height())
    return canvas.pixels()


def scale_legend(before: str, bar: np.ndarray, after: str) -> np.ndarray:
    """A colour scale between two texts.

    Args:
        before: what the left end means.
        bar: colours from left to right, uint8 of shape (128, 3).
        after: what the right end means.
    """
    left = _MARGIN + text_width(before) + _MARGIN
    canvas = Canvas(left + _BAR_WIDTH + _MARGIN + text_width(after) + _MARGIN, line_height() + 2 * _MARGIN)
    canvas.write(before, _MARGIN, _MARGIN)
    canvas.paste(np.broadcast_to(bar, (_BAR_HEIGHT, _BAR_WIDTH, 3)), left, _MARGIN + 2)
    canvas.write(after, left + _BAR_WIDTH + _MARGIN, _MARGIN)
    return canvas.pixels()


def scale_steps(first: float, last: float) -> np.ndarray:
    """The values of a legend's bar from left to right."""
    return np.linspace(first, last, _BAR_WIDTH)


# Small parts are enlarged to about this many pixels, large ones reduced to the second.
_LEGIBLE, _LARGEST = 72, 112
# What lies beyond an image's border, and between parts: no shade of gray, which could be taken for pixels.
_OUTSIDE = (166, 189, 219)


@dataclass(frozen=True)
class Feature:
    """A map with what activates it most.

    Args:
        heading: a line above.
        crops: parts of images, strongest first; pixels in [0, 1], shape (height, width, 1 or 3), NaN where a part goes
            beyond the border.
        projections: signed, the same shapes; NaN likewise.
    """

    heading: str
    crops: Sequence[np.ndarray]
    projections: Sequence[np.ndarray]


def draw_feature(feature: Feature) -> np.ndarray:
    """Draw one map: a block of image parts, and to its right the same block of projections.

    Each projection is scaled by itself: zero is gray, its largest absolute value black or white; in colour, channel
    for channel.

    Example:
        >>> parts = [np.zeros((4, 4, 1))] * 9
        >>> draw_feature(Feature("map 3", parts, parts)).dtype
        dtype('uint8')
    """
    return titled(feature.heading, draw_parts(feature))


def draw_parts(feature: Feature) -> np.ndarray:
    """Draw one map as `draw_feature` does, without the heading: uint8, shape (height, width, 3)."""
    columns = math.ceil(math.sqrt(len(feature.crops)))
    crops = tile([_part(crop, crop) for crop in feature.crops], columns, gap=2, background=_OUTSIDE)
    projections = tile(
        [_part(centred(np.nan_to_num(p)), p) for p in feature.projections], columns, gap=2, background=_OUTSIDE
    )
    return tile([crops, projections], columns=2, gap=10)


def draw_features(title: str, legend: str, features: Sequence[np.ndarray]) -> np.ndarray:
    """Put drawn maps on one sheet, under a title and above a legend.

    Args:
        title: a line above.
        legend: a line below.
        features: from `draw_feature`; at least one.
    """
    height, width = (max(feature.shape[axis] for feature in features) for axis in (0, 1))
    columns = min(4, max(1, WIDEST // width))
    # Headings differ in length, and tiles have one size.
    even = [_on_paper(feature, height, width) for feature in features]
    return stack([titled(title, tile(even, columns, gap=8)), titled(legend, blank(1, 1))])


def _part(pixels: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Colours of a part; what goes beyond the border becomes blue."""
    colors = image_colors(pixels[np.newaxis])[0].copy()
    colors[np.isnan(outside).any(axis=-1)] = _OUTSIDE
    return fit(colors, _LEGIBLE, _LARGEST)


def _on_paper(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    sheet = blank(height, width)
    sheet[: picture.shape[0], : picture.shape[1]] = picture
    return sheet


# Small kernels are enlarged to about this many pixels, small multiples to half of it; none is made smaller than that.
_LEGIBLE, _SMALLEST = 48, 8
# More input channels or maps than these are not drawn.
_MOST = 256


def draw_kernels(name: str, kernel: np.ndarray) -> np.ndarray:
    """Draw a layer's kernels, all on one scale that is symmetric around zero and stands below.

    Kernels over RGB images are colour pictures in which gray is zero. Others are small multiples: one row for each
    map, one kernel in it for each input channel, blue below and red above zero. A dense layer's weights are drawn as
    kernels that are as large as its input. Of very wide layers the first 256 maps and channels are drawn.

    Example:
        >>> draw_kernels("latent", np.ones((1, 1, 8, 4))).dtype
        dtype('uint8')

    Args:
        name: the layer's.
        kernel: shape (height, width, input channels, maps).

    Returns:
        uint8, shape (height, width, 3).
    """
    height, width, channels, maps = kernel.shape
    largest = float(np.max(np.abs(kernel), initial=0.0))
    title = f"{name}: {maps} kernels of {height}x{width}"
    if channels not in (1, 3):
        title += f" over {channels} channels; a row for each map"
    if max(channels, maps) > _MOST:
        title += f", the first {_MOST} of each"
    kernel = kernel[:, :, :_MOST, :_MOST]
    if channels == 3:
        pictures = image_colors(centred(np.transpose(kernel, (3, 0, 1, 2)), largest))  # [maps, h, w, 3]
        sheet = _sheet(list(pictures), 16, _LEGIBLE)
        bar = image_colors(centred(scale_steps(-1, 1))[None, None, :, None])[0, 0]
    elif channels == 1:
        sheet = _sheet(list(signed_colors(np.transpose(kernel[:, :, 0], (2, 0, 1)), largest)), 16, _LEGIBLE)
        bar = signed_colors(scale_steps(-1, 1), 1.0)
    else:
        multiples = signed_colors(np.transpose(kernel, (3, 2, 0, 1)), largest)  # [maps, channels, h, w, 3]
        sheet = _sheet([picture for row in multiples for picture in row], kernel.shape[2], _LEGIBLE // 2)
        bar = signed_colors(scale_steps(-1, 1), 1.0)
    return stack([titled(title, sheet), scale_legend(f"{-largest:.3g}", bar, f"{largest:.3g}")])


def _sheet(pictures: list[np.ndarray], columns: int, legible: int) -> np.ndarray:
    """Kernels as large as the widest sheet allows."""
    gap = 3
    room = WIDEST // columns - gap
    if room < _SMALLEST:
        gap = 1
    return tile([fit(picture, min(legible, room), max(room, _SMALLEST)) for picture in pictures], columns, gap)


_LEGIBLE, _LARGEST = 56, 112


def draw_activations(name: str, maps: np.ndarray) -> np.ndarray:
    """Draw a layer's maps of one image, row by row, all on one scale that stands below.

    Maps without negative values are black at zero and pale yellow at the layer's largest value; others are white at
    zero, blue below and red above it.

    Example:
        >>> draw_activations("stage_1_conv_1", np.ones((14, 14, 32))).dtype
        dtype('uint8')

    Args:
        name: the layer's.
        maps: shape (height, width, maps).

    Returns:
        uint8, shape (height, width, 3).
    """
    largest = float(np.max(np.abs(maps)))
    height, width, number = maps.shape
    by_map = np.transpose(maps, (2, 0, 1))
    if maps.min() < 0:
        colors = signed_colors(by_map, largest)
        legend = scale_legend(f"{-largest:.3g}", signed_colors(scale_steps(-1, 1), 1.0), f"{largest:.3g}")
    else:
        colors = scale_colors(by_map / (largest or 1.0))
        legend = scale_legend("0", scale_colors(scale_steps(0, 1)), f"{largest:.3g}")
    pictures = [fit(picture, _LEGIBLE, _LARGEST) for picture in colors]
    # Twice as wide as high; maps count row by row.
    columns = max(1, min(math.ceil(math.sqrt(2 * number)), WIDEST // (pictures[0].shape[1] + 2)))
    title = f"{name}: {number} maps of {height}x{width}"
    return stack([titled(title, tile(pictures, columns, gap=2)), legend])


@dataclass(frozen=True)
class LayerPicture:
    """A picture of a layer.

    Args:
        kind: `features`, `kernels` or `activations`.
        file: its file's name.
        heading: what it is, in a word or two.
        description: what it shows, in a sentence.
        pixels: uint8, shape (height, width, 3).
        parts: of `features`, each map's heading and picture, for a page that writes headings itself.
    """

    kind: str
    file: str
    heading: str
    description: str
    pixels: np.ndarray
    parts: Sequence[tuple[str, np.ndarray]] = ()


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
        progress: called with 1 for each map.

    Returns:
        What the maps respond to, the kernels if the layer has any, and the maps of the first image.
    """
    name = layer.name
    features, parts = _draw_features(encoder, layer, surveyed, images, maps, method, batch_size, progress)
    told = (
        f"The parts of images that activate {len(maps)} of the {layer.num_maps} maps of {name} most, each block beside"
        f" its projections to pixel space by the method {method}."
    )
    pictures = [LayerPicture("features", f"{name}.png", "Features", told, features, parts)]
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
) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    """The sheet of all maps, and each map by itself with its heading."""
    projector = Projector(encoder, layer, method)
    drawn: list[tuple[str, np.ndarray]] = []
    for number in maps:
        crops, projections = _cropped(projector, layer, surveyed, images, number, batch_size)
        heading = f"map {number}: up to {surveyed.statistics.maximum[number]:.3g}"
        if surveyed.statistics.is_dead[number]:
            heading = f"map {number}: never responds"
        drawn.append((heading, draw_parts(Feature(heading, crops, projections))))  # at once: images may be large
        progress(1)
    height, width = layer.field_size
    legend = (
        f"Left: the parts of images ({height}x{width} pixels) that activate a map most, strongest first."
        " Right: their projections, each scaled by itself; gray is zero. Blue lies outside of the image."
    )
    title = f"{layer.name}: {len(maps)} of {layer.num_maps} maps, method {method}"
    return draw_features(title, legend, [titled(*one) for one in drawn]), drawn


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
