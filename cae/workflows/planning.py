"""What commands do with a configuration before the engine starts: find the images, plan the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cae.config import ConfigError, RunConfig
from cae.config.data import StoredData
from cae.errors import UserError
from cae.messages import progress_bar, tell
from cae.plan import Plan, PlanError, make_plan
from cae.plan.memory import StepMemory, predict_step_memory
from cae.training.amount import auto_batch_size
from cae.training.amount import resolve as resolve_training

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits


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
    """Images in a step, without training: for `auto`, the most it can be where images are not on this machine."""
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
        plan, batch_size=batch_size, precision=training.planned_precision, optimizer_slots=training.slots
    )


def load_splits_with_progress(section: DataSection, tell: Callable[[str], None] = tell) -> Splits:
    """Load the images' splits, and say what they are; a scan of many files shows a bar on a terminal."""
    # Imports NumPy, which takes time.
    from cae.data.dividing import parts_in_words
    from cae.data.load import load_splits, look_at_values, loses_colors
    from cae.data.lossy import LOSSY, warn_of_loss

    with progress_bar("reading headers", "file") as show:
        splits = load_splits(section, show)
        look_at_values(splits)
        splits.warnings.extend(warn_of_loss(splits.train))
    lossy = "; compressed with loss" * any(warning.code == LOSSY for warning in splits.warnings)
    gray = "; colours are read in gray (data.channels: 1)" * loses_colors(splits)
    tell(f"Images: {parts_in_words(splits.numbers, splits.origins, splits.all_left_out)}{lossy}{gray}")
    for note in splits.notes:
        tell(note)
    return splits


def with_range_stated(config: RunConfig, splits: Splits) -> RunConfig:
    """Put the values that were observed in the training images instead of `observed`: later commands need them."""
    if not isinstance(config.data, StoredData) or config.data.value_range != "observed":
        return config
    data = config.data.model_copy(update={"value_range": splits.value_range})
    return config.model_copy(update={"data": data})
