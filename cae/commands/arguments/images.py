"""What commands that use a trained model share: which images, what becomes of their size, and of those that are bad."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cae.commands.arguments.parser import add_data_override_argument
from cae.config import load_config
from cae.data.dividing import keep_classes
from cae.data.formats.image_lists import left_out_in_words
from cae.errors import ConfigError, RunWarning, UserError
from cae.files import file_error, printable
from cae.inference.inputs import (
    NAMED_ARRAY_ENDINGS,
    Inputs,
    PictureInputs,
    SetInputs,
    in_options,
    open_inputs,
    open_part,
)
from cae.messages import tell
from cae.runs.images import warn_of_other_images
from cae.workflows.planning import check_data_overrides, load_splits_with_progress

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.inference.any_size import Way
    from cae.inference.trained_autoencoder import TrainedAutoencoder

# `--tile` without a number.
_ENOUGH = -1
SPLITS = ("test", "validation", "train")


def add_image_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare RUN, INPUT, or a part of the run's own data instead, and what becomes of images that cannot be read."""
    parser.add_argument("run_directory", type=Path, metavar="RUN", help="run directory")
    parser.add_argument(
        "input",
        nargs="?",
        type=Path,
        metavar="INPUT",
        help="an image, a folder of images at any depth, or an array file: .npy, .npz, .h5 or IDX",
    )
    group = parser.add_argument_group("which images")
    group.add_argument("--split", choices=SPLITS, help="instead of INPUT: a part of the run's own data")
    group.add_argument("--array", metavar="NAME", help="the array of images in an .npz or .h5 file")
    group.add_argument(
        "--value-range",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="the values in INPUT that are black and white; default: the run's data.value_range, where the type of"
        " INPUT can hold it, else what that type can hold",
    )
    group.add_argument(
        "--on-bad-image",
        choices=("report", "error", "skip"),
        default="report",
        help="images that cannot be read: report names them, goes on and ends with exit code 1; error stops at the"
        " first; skip names them and goes on; default: report",
    )
    add_data_override_argument(parser)


def add_size_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what becomes of images of another size than the model's."""
    group = parser.add_argument_group("images of another size than the model's").add_mutually_exclusive_group()
    group.add_argument(
        "--resize",
        action="store_const",
        const="resize",
        default="auto",
        dest="way",
        help="images of another size than the model's: bring them to it, as in training; default, unless training saw"
        " patches: then images keep their size, and go in tiles if they are large or the bottleneck is dense",
    )
    group.add_argument(
        "--native",
        action="store_const",
        const="native",
        dest="way",
        help="take them through the network at their own size, whatever memory that needs; not with a dense bottleneck"
        " or a global linear path",
    )
    group.add_argument(
        "--tile",
        nargs="?",
        type=_overlap,
        const=_ENOUGH,
        metavar="OVERLAP",
        help="take them through the network in tiles that overlap by so many pixels, by default so many that no seam is"
        " left, and blend these",
    )


def way_of(options: argparse.Namespace) -> Way:
    """What the size arguments say."""
    way: Way = options.way if options.tile is None else "tile"
    return way


def overlap_of(options: argparse.Namespace) -> int | None:
    """The overlap of tiles; None for the default."""
    return None if options.tile in (None, _ENOUGH) else options.tile


def check_image_arguments(options: argparse.Namespace) -> None:
    """Find out before anything is loaded whether there are images to look for.

    Raises:
        ConfigError: neither INPUT nor `--split`, or both, or an argument that has no effect.
        UserError: INPUT does not exist.
    """
    if (options.input is None) == (options.split is None):
        received = "neither" if options.input is None else f"{options.input} and --split {options.split}"
        raise ConfigError(f"Give INPUT or --split, one of them. Received: {received}.")
    if options.overrides and options.split is None:
        raise ConfigError("--set changes where the run's own data are, and has no effect without --split.")
    check_data_overrides(options.overrides)
    if options.array is not None and (options.input is None or options.input.suffix.lower() not in NAMED_ARRAY_ENDINGS):
        raise ConfigError(f"--array: only .npz and .h5 files have named arrays. Received: {options.array}.")
    if options.value_range is not None:
        low, high = options.value_range
        if options.input is None:
            raise ConfigError("--value-range is for INPUT; with --split, use --set data.value_range=[LOW,HIGH].")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(f"--value-range: LOW must be below HIGH. Received: {low:g} {high:g}.")
    if options.input is not None and not options.input.exists():
        raise file_error(options.input, "there is no such file or folder.")


def open_given(
    model: TrainedAutoencoder,
    options: argparse.Namespace,
    *,
    is_scored: bool = False,
    tell: Callable[[str], None] = tell,
) -> Inputs:
    """Open INPUT, or the part of the run's own data.

    Args:
        model: the run's.
        options: with what `add_image_arguments` declares.
        is_scored: opens images of the classes, too, that `data.classes` kept out of training; the report then says
            where the data are not those of training any more, which else is said here.
        tell: is given a line for the user now and then.
    """
    if options.input is not None:
        return open_path(options.input, model, options.array, options.value_range)
    inputs = open_split(model, options.split, options.overrides, all_classes=is_scored, tell=tell)
    if not is_scored:
        for warning in doubts_of_own_images(model, options.overrides, [options.split], fits=False):
            tell(str(warning))
    return inputs


def open_path(
    path: Path, model: TrainedAutoencoder, array: str | None = None, value_range: Sequence[float] | None = None
) -> Inputs:
    """Find the images that a path leads to, and say which files are skipped, and how the others are read."""
    pair = None if value_range is None else (value_range[0], value_range[1])
    inputs = open_inputs(path, model.config.data, model.image_shape[2], array, pair)
    if isinstance(inputs, PictureInputs) and inputs.left_out:
        tell(f"{printable(path)}: {'; '.join(left_out_in_words(inputs.left_out))}")
    for note in inputs.notes:
        tell(note)
    return inputs


def open_split(
    model: TrainedAutoencoder,
    split: str,
    overrides: list[str],
    *,
    all_classes: bool = False,
    whole: bool = False,
    most: int | None = None,
    tell: Callable[[str], None] = tell,
) -> SetInputs:
    """Open a part of the run's own data, which are looked for once, however many parts of them are opened.

    Args:
        model: the run's.
        split: `train`, `validation` or `test`.
        overrides: where the data are now.
        all_classes: also those that `data.classes` kept out of training.
        whole: at their own size, as images that are given are; not brought to the model's.
        most: how many images at most, all over the part.
        tell: is given a line for the user now and then.

    Raises:
        UserError: the data are not what the run was trained on.
    """
    section: DataSection = load_config(model._directory.config, overrides).data
    if all_classes:
        section = section.model_copy(update={"classes": None})
    splits = _opened(model, section, split)
    if splits is None:
        splits = model._opened[section] = load_splits_with_progress(section, tell)
    return open_part(model, splits, split, whole=whole, most=most)


def _opened(model: TrainedAutoencoder, section: DataSection, needed: str) -> Splits | None:
    """What was looked for already, also among all classes: then the part that is needed must have some of the wanted.

    Raises:
        UserError: it has none.
    """
    everything = model._opened.get(section.model_copy(update={"classes": None}))
    if section in model._opened or everything is None or section.classes is None:
        return model._opened.get(section)
    return keep_classes(everything, section.classes, needed=[needed])


def doubts_of_own_images(
    model: TrainedAutoencoder, overrides: list[str], used: Collection[str], *, fits: bool
) -> list[RunWarning]:
    """Say where the run's own data, if they were opened, are not those of training any more.

    Args:
        model: the run's.
        overrides: where the data are now.
        used: the parts that were opened for the model.
        fits: whether baselines or scores are fitted to training images.
    """
    section: DataSection = load_config(model._directory.config, overrides).data
    try:
        splits = _opened(model, section, "train")
    except UserError:  # the classes that were trained on have gone
        return []
    return [] if splits is None else warn_of_other_images(model._directory, splits, section, used, fits=fits)


def tell_warnings(inputs: Inputs, options: argparse.Namespace, tell: Callable[[str], None] = tell) -> None:
    """Say what makes images doubtful, once they are read."""
    for warning in inputs.warnings:
        tell(str(warning) if options.input is None else in_options(str(warning)))


def _overlap(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(
            f"an overlap must be a number of pixels from 0 on. Received: {text}. (Without a number, put --tile behind"
            " INPUT.)"
        )
    return int(text)


class BadImages:
    """Counts the images that cannot be read, and does with them what the user wants.

    Args:
        policy: `report`, `error` or `skip`.
    """

    def __init__(self, policy: str) -> None:
        self._policy = policy
        self.names: list[str] = []

    def __call__(self, name: str, reason: str) -> None:
        """Note an image.

        Raises:
            UserError: the user wants to stop here.
        """
        if self._policy == "error":
            raise UserError(f"{printable(name)}: cannot be read: {reason}")
        self.names.append(name)
        tell(f"{printable(name)}: left out: {reason}")

    @property
    def is_failure(self) -> bool:
        """Whether images were left out that should not have been."""
        return bool(self.names) and self._policy == "report"

    def exit_code(self, total: int) -> int:
        """0, or 1 when images were left out that should not have been.

        Args:
            total: of all images.

        Raises:
            UserError: every one was bad.
        """
        if len(self.names) == total:
            raise UserError(f"None of the {total:,} images can be read.")
        if self.names:
            tell(f"{len(self.names):,} of {total:,} images cannot be read and were left out.")
        return 1 if self.is_failure else 0
