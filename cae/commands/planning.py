"""What commands do with a configuration before the engine starts: find the images, plan the model."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.commands.parser import SHORT_FORMS
from cae.config import ConfigError, RunConfig
from cae.config.data import StoredData
from cae.config.schema_walk import root_shape
from cae.engine import DEVICE
from cae.errors import UserError
from cae.messages import progress_bar, tell
from cae.plan import Plan, PlanError, make_plan
from cae.plan.memory import StepMemory, predict_step_memory
from cae.training.amount import auto_batch_size
from cae.training.amount import resolve as resolve_training

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits


def add_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set`, which changes keys of the configuration, and short forms of it."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one dotted key, e.g. model.decoder.upsampling.kind=max_unpool; repeatable, and --set may be left"
        " out",
    )
    for option, key in SHORT_FORMS.items():
        parser.add_argument(
            option, action=_Short, const=key, metavar="VALUE", help=f"short for {key}=VALUE", default=argparse.SUPPRESS
        )
    parser.add_argument(
        "--data",
        action=_Data,
        metavar="WHERE",
        default=argparse.SUPPRESS,
        help="a folder of images, an array file, or a source such as mnist: short for data.source and data.path",
    )
    parser.add_argument(
        "--device",
        action=_Device,
        metavar="NAME",
        default=argparse.SUPPRESS,
        help="cpu, gpu, or gpu:0 and so on; default: all GPUs that there are",
    )


class _Short(argparse.Action):
    """An option that is short for one key, its constant."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        # A name may look like a number.
        value = json.dumps(value) if self.const == "name" else value
        options.overrides = [*options.overrides, f"{self.const}={value}"]


class _Data(argparse.Action):
    """`--data`: images for `data.source` and `data.path`."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        source, path = source_of(value)
        options.overrides = [
            *options.overrides,
            f"data.source={source}",
            *([f"data.path={json.dumps(path)}"] if path else []),
        ]


def source_of(word: str) -> tuple[str, str | None]:
    """The `data.source` and `data.path` that a word on the command line stands for.

    >>> source_of("mnist"), source_of("photos.npz"), source_of("holiday")
    (('mnist', None), ('arrays', 'photos.npz'), ('image_folder', 'holiday'))
    """
    shape = root_shape().at(("data",))
    sources = shape.options.shapes if shape is not None and shape.options is not None else {}
    if word in sources and not Path(word).exists():
        return word, None
    path, name = Path(word), word.lower().removesuffix(".gz")
    if name.endswith((".npy", ".npz", ".h5", ".hdf5")):
        return "arrays", word
    if name.endswith(("ubyte", ".idx")):
        return "idx", word
    if path.is_dir() and any(path.glob("*.tfrecord*")):
        return "tfrecord", word
    return "image_folder", word


class _Device(argparse.Action):
    """`--device`: decided before TensorFlow is loaded, for this process and those that it starts."""

    def __call__(self, parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, *_: object) -> None:
        if not re.fullmatch(r"cpu|gpu(:\d+)?", value):
            parser.error(f"argument --device: must be cpu, gpu, or gpu:0 and so on; received {value}")
        kind, _, number = value.partition(":")
        if kind == "cpu" or number:
            os.environ["CUDA_VISIBLE_DEVICES"] = number or "-1"
        os.environ[DEVICE] = kind


def add_data_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set` for a trained run, of which only the images' place can change."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="data.KEY=VALUE",
        dest="overrides",
        help="override a key of the data section, for images that are elsewhere now, e.g. data.path=FOLDER",
    )


def check_data_overrides(overrides: Sequence[str]) -> None:
    """Refuse to change anything but the data of a trained run.

    Raises:
        ConfigError: an override is of another key.
    """
    for override in overrides:
        if not override.startswith("data."):
            raise ConfigError(f"--set {override}: only keys of `data` can be changed for a trained run.")


def plan_for(config: RunConfig, image_shape: tuple[int, int, int], path: Path) -> Plan:
    """Plan the model for images of a shape.

    Raises:
        ConfigError: if the model does not fit the images; names the configuration file.
    """
    try:
        return make_plan(config.model, image_shape)
    except PlanError as error:
        raise ConfigError(f"{path}: {error}") from error


def resolve(config: RunConfig, plan: Plan, num_images: int, path: Path) -> RunConfig:
    """Put numbers where the configuration says `auto`: images in a step, and epochs.

    Args:
        config: of one run.
        plan: of its model.
        num_images: for training.
        path: the configuration file, for messages.

    Raises:
        ConfigError: a schedule does not fit the epochs.
    """
    try:
        training = resolve_training(config.training, num_images, memory_of_step(config, plan, 1).activations)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return config.model_copy(update={"training": training})


def batch_size_of(config: RunConfig, plan: Plan) -> int:
    """Images in a step, for who does not train: where it is `auto` and images are not at hand, the most it can be."""
    size = config.training.batch_size
    if size != "auto":
        return size
    return auto_batch_size(_num_training_images(config.data), memory_of_step(config, plan, 1).activations)


def _num_training_images(section: DataSection) -> int | None:
    path = getattr(section, "path", None)
    if path is not None and not Path(path).exists():
        return None
    from cae.config.data import StandardData
    from cae.data.sources.standard import is_on_this_machine

    try:
        if isinstance(section, StandardData) and not is_on_this_machine(section):
            return None
        return len(load_splits_with_progress(section, lambda line: None).train)
    except UserError:
        return None


def memory_of_step(config: RunConfig, plan: Plan, batch_size: int) -> StepMemory:
    """Predict the memory that a training step takes on a device for so many images."""
    training = config.training
    return predict_step_memory(
        plan,
        batch_size=batch_size,
        precision=training.precision,
        optimizer_slots=training.slots,
    )


def load_splits_with_progress(section: DataSection, tell: Callable[[str], None] = tell) -> Splits:
    """Load the images' splits, and say what they are; a scan of many files shows a bar on a terminal."""
    # And with it NumPy, for which help and wrong configurations need not wait.
    from cae.data.dividing import parts_in_words
    from cae.data.load import load_splits, look_at_values
    from cae.data.lossy import LOSSY, warn_of_loss

    with progress_bar("reading headers", "file") as show:
        splits = load_splits(section, show)
        look_at_values(splits)
        splits.warnings.extend(warn_of_loss(splits.train))
    lossy = "; compressed with loss" * any(warning.code == LOSSY for warning in splits.warnings)
    tell(f"Images: {parts_in_words(splits.numbers, splits.origins, splits.all_left_out)}{lossy}")
    for note in splits.notes:
        tell(note)
    return splits


def with_range_stated(config: RunConfig, splits: Splits) -> RunConfig:
    """Put the values that were observed in the training images in the place of `observed`: later commands need them."""
    if not isinstance(config.data, StoredData) or config.data.value_range != "observed":
        return config
    data = config.data.model_copy(update={"value_range": splits.value_range})
    return config.model_copy(update={"data": data})
