"""`visualize`: show what the feature maps of a trained run respond to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from cae.commands.arguments.parser import add_data_override_argument
from cae.engine import start_engine
from cae.errors import ConfigError
from cae.kinds.own_model import OwnModel
from cae.messages import next_steps, number_of, tell
from cae.runs import RunDirectory, check_is_writable, open_run
from cae.visualization.map_choice import METHODS, MapChoice, parse_maps
from cae.workflows.planning import check_data_overrides, load_splits_with_progress

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits

_MOST = 100


def add_visualize_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="run directory")
    group = parser.add_argument_group("what is drawn")
    group.add_argument("--layer", metavar="L", help="a layer of the encoder as `describe` names it; default: all")
    group.add_argument(
        "--maps",
        default="top:16",
        metavar="all|top:N|LIST",
        help="maps that are drawn: all, the N that respond most strongly, or numbers such as 0,3,5-8; default: top:16",
    )
    group.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="what becomes of the signal at an activation on its way down: deconvnet drops what is negative, gradient"
        " what was negative on the way up, guided both; default: deconvnet",
    )
    group.add_argument("--top", type=int, default=9, metavar="N", help="images for each map, 1 to 100; default: 9")
    group.add_argument(
        "--images", type=Path, metavar="PATH", help="a folder, image, array or IDX file; default: the validation part"
    )
    parser.add_argument("--out", type=Path, help="folder for the files; default: RUN/visualization")
    add_data_override_argument(parser)


def run_visualize(options: argparse.Namespace) -> int:
    """Visualise a run; prints which maps never respond, and the folder."""
    maps = parse_maps(options.maps)
    if not 1 <= options.top <= _MOST:
        raise ConfigError(f"--top must be from 1 to {_MOST}. Received: {options.top}.")
    check_data_overrides(options.overrides)
    directory = open_run(options.run_directory, tell)
    out = options.out or directory.visualization
    check_is_writable(out)
    start_engine()
    sentences = _visualize(directory, maps, out, options)
    tell(f"In a browser: {out / 'index.html'}")
    tell(next_steps(["tensorboard", "--logdir", options.out or directory.path.parent]))
    print("\n".join([*sentences, str(out)]))
    return 0


def _visualize(directory: RunDirectory, maps: MapChoice, out: Path, options: argparse.Namespace) -> list[str]:
    from cae.data.pipeline import user_errors
    from cae.files import printable
    from cae.runs.trained import load_trained_run
    from cae.visualization.feature_layers import choose_layers, find_feature_layers
    from cae.visualization.results import Selection, visualize_run

    def load_splits(section: DataSection) -> Splits:
        if options.images is None:
            return load_splits_with_progress(section)
        return _named_images(options.images, section, directory)

    with user_errors():
        trained = load_trained_run(directory, load_splits, options.overrides)
        if options.method != "gradient" and any(isinstance(one, OwnModel) for one in trained.plan.encoder):
            raise ConfigError(
                "--method: the encoder is a model of your own, whose rectifiers nobody knows; gradient works for it."
                f" Received: {options.method}."
            )
        layers = choose_layers(find_feature_layers(trained.plan), options.layer)
        for layer in layers:
            maps.check(layer.name, layer.num_maps)
        images = trained.splits.validation
        source = "validation part" if options.images is None else printable(options.images)
        tell(f"{directory.path}: showing {number_of(len(images), 'image')} to {number_of(len(layers), 'layer')}")
        sentences = visualize_run(trained, images, source, Selection(layers, maps, options.method, options.top), out)
    for warning in trained.splits.warnings:
        tell(str(warning))
    for name, reason in trained.splits.replaced.items():
        tell(f"{name}: another image was taken in its place: {reason}")
    return sentences


def _named_images(path: Path, section: DataSection, directory: RunDirectory) -> Splits:
    """Images that you name, instead of the run's own, which may be on another machine."""
    from cae.config import load_config
    from cae.data.formats.image_lists import left_out_in_words, with_bad
    from cae.data.image_set import Splits
    from cae.files import printable
    from cae.runs.trained import image_shape_of
    from cae.visualization.images import open_images

    shape = image_shape_of(directory, load_config(directory.config))
    parts = open_images(path, section, shape)
    if left_out := with_bad(parts.left_out, parts.skipped):
        tell(f"{printable(path)}: {'; '.join(left_out_in_words(left_out))}")
    for note in parts.notes:
        tell(note)
    images = parts.train
    return Splits(images, images, images, replaced=parts.replaced, warnings=parts.warnings)
