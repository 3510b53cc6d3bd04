"""The files of one run's visualisation: pictures of each layer, visualization.json, index.html, TensorBoard events."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from tqdm import tqdm

from cae.atomic_files import write_json, write_text
from cae.data.pixels import to_float
from cae.errors import UserError
from cae.files import printable, read_bytes
from cae.pictures import as_png, save_png
from cae.runs.events import image_summary, remove_events, replace_events
from cae.visualization.layer_pictures import LayerPicture, draw_layer
from cae.visualization.page import PagePicture, PageSection, hint_of, in_words, layer_record, make_page
from cae.visualization.responses import Survey, features_model, survey

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.runs.trained import TrainedRun
    from cae.visualization.feature_layers import FeatureLayer
    from cae.visualization.map_choice import MapChoice, Method

PAGE, RECORD = "index.html", "visualization.json"
_MOST_BYTES = 1 << 26


@dataclass(frozen=True)
class Selection:
    """What is to be drawn.

    Args:
        layers: which layers.
        maps: which of their maps.
        method: how activations are passed on the way down.
        top: how many images for each map.
    """

    layers: Sequence[FeatureLayer]
    maps: MapChoice
    method: Method
    top: int


def visualize_run(trained: TrainedRun, images: ImageSet, source: str, selection: Selection, out: Path) -> list[str]:
    """Look for what activates the maps, draw it, and write the files.

    Images are shown as they are, also to a run that was trained on corrupted ones. Memory holds a batch, the finished
    pictures, and for each map the places of the images that activate it most.

    Args:
        trained: the run.
        images: what is shown to the encoder.
        source: what these images are, in words.
        selection: what is to be drawn.
        out: folder for the files.

    Returns:
        Sentences on the maps that never respond.

    Raises:
        UserError: if the encoder's values are not finite.
    """
    surveys = _survey(trained, images, selection)
    pictures = _draw(trained, images, selection, surveys)
    records = {
        layer.name: {
            **layer_record(layer, surveys[layer.name], images.names),
            "pictures": {picture.kind: picture.file for picture in pictures[layer.name]},
        }
        for layer in selection.layers
    }
    record = {
        "run": printable(trained.directory.path),
        "source": source,
        "images": len(images),
        "method": selection.method,
        "layers": records,
    }
    sentences = in_words({name: surveyed.statistics.is_dead for name, surveyed in surveys.items()})
    is_default = out == trained.directory.visualization
    summary = trained.directory.read_summary() if trained.directory.summary.exists() else {}
    page = _Page(record, sentences, hint_of(summary))
    _write_files(out, trained.directory.path if is_default else out, page, pictures)
    return sentences


def _survey(trained: TrainedRun, images: ImageSet, selection: Selection) -> dict[str, Survey]:
    with _bar("looking at images", len(images), "image") as bar:
        surveys = survey(
            trained.autoencoder.encoder,
            selection.layers,
            images,
            top=selection.top,
            batch_size=trained.config.training.images_at_once,
            progress=bar.update,
        )
    for name, surveyed in surveys.items():
        if not np.isfinite(surveyed.statistics.mean).all():
            raise UserError(f"{trained.directory.weights}: gives values in {name} that are not finite; nothing to see.")
    return surveys


def _draw(
    trained: TrainedRun, images: ImageSet, selection: Selection, surveys: dict[str, Survey]
) -> dict[str, list[LayerPicture]]:
    encoder = trained.autoencoder.encoder
    first_image = to_float(images.read(np.zeros(1, np.int64)))
    first_maps = features_model(encoder, selection.layers)(first_image, training=False)
    chosen = {layer.name: selection.maps.choose(surveys[layer.name].statistics.maximum) for layer in selection.layers}
    with _bar("projecting", sum(len(maps) for maps in chosen.values()), "map") as bar:
        return {
            layer.name: draw_layer(
                encoder,
                layer,
                surveys[layer.name],
                images,
                chosen[layer.name],
                first_maps=np.asarray(first_maps[layer.name], np.float32)[0],
                method=selection.method,
                batch_size=trained.config.training.images_at_once,
                progress=bar.update,
            )
            for layer in selection.layers
        }


class _Page(NamedTuple):
    record: dict[str, Any]
    sentences: Sequence[str]
    hint: str


def _write_files(out: Path, logged: Path, page: _Page, pictures: dict[str, list[LayerPicture]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    _remove_earlier(out, keep={picture.file for drawn in pictures.values() for picture in drawn})
    sections = []
    for name, drawn in pictures.items():
        for picture in drawn:
            save_png(picture.pixels, out / picture.file)
        shown = [
            PagePicture(
                p.heading, p.description, (out / p.file).read_bytes(), [(name, as_png(part)) for name, part in p.parts]
            )
            for p in drawn
        ]
        sections.append(PageSection(name, shown))
    shown_at = [(f"{p.kind}/{name}", p.pixels) for name in pictures for p in pictures[name]]
    remove_events(out, ".visualization")  # an earlier version had a TensorBoard run for them
    replace_events(logged, ".visualization", [(0, image_summary(tag, pixels)) for tag, pixels in shown_at])
    write_text(out / PAGE, make_page(page.record, page.sentences, sections, page.hint))
    # Last, so that it is there only once the other files are.
    write_json(out / RECORD, page.record)


def _remove_earlier(out: Path, keep: set[str]) -> None:
    """Remove what an earlier call drew, perhaps by another method: pictures that this record would not tell of."""
    if not (out / RECORD).exists():
        return
    content = read_bytes(out / RECORD, _MOST_BYTES)
    try:
        earlier = json.loads(content)
        names = [file for layer in earlier["layers"].values() for file in layer["pictures"].values()]
        (out / RECORD).unlink()  # while it is there, all that it tells of is there
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return  # none of ours
    for name in names:
        if name not in keep and Path(name).name == name:
            (out / name).unlink(missing_ok=True)


def _bar(what: str, total: int, unit: str) -> tqdm:
    return tqdm(
        desc=what, total=total, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty(), leave=False, delay=1
    )
