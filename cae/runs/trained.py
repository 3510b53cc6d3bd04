"""A trained run brought back: its configuration, plan, images and model with the best weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.config import RunConfig, load_config
from cae.data.image_set import Splits
from cae.data.sources import find_image_shape, known_image_shape
from cae.errors import UserError
from cae.files import file_error, machine_memory, naming
from cae.plan import Plan, make_plan
from cae.plan.memory import predict_image_memory
from cae.runs.directory import RunDirectory

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.model import Autoencoder


@dataclass(frozen=True)
class TrainedRun:
    """What evaluation, comparison and everything else after training work on."""

    directory: RunDirectory
    config: RunConfig
    plan: Plan
    splits: Splits
    autoencoder: Autoencoder
    weights_digest: str
    """Of the weights file as it was loaded: a training that goes on may have replaced it since."""


def load_trained_run(
    directory: RunDirectory,
    load_splits: Callable[[DataSection], Splits],
    overrides: Sequence[str] = (),
    like: Autoencoder | None = None,
) -> TrainedRun:
    """Rebuild a run's model from its configuration and load its best weights.

    Nothing in the run directory is executed: the architecture comes from config.yaml, the weights are numbers.

    Args:
        directory: from `open_run`.
        load_splits: how to find the images, `cae.data.load.load_splits` or the like.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        like: a model of the same configuration but for its seed, which takes the run's weights instead of a new one.

    Raises:
        UserError: if the weights or the images do not fit the configuration, or cannot be read.
    """
    config = load_config(directory.config, overrides)
    splits = load_splits(config.data)
    _check_image_shape(directory, splits)
    plan = make_plan(config.model, splits.image_shape)
    autoencoder, digest = load_autoencoder(directory, config, plan, like)
    return TrainedRun(directory, config, plan, splits, autoencoder, digest)


def load_autoencoder(
    directory: RunDirectory, config: RunConfig, plan: Plan, like: Autoencoder | None = None
) -> tuple[Autoencoder, str]:
    """Build a run's model and load its best weights; needs no images.

    Args:
        directory: from `open_run`.
        config: the run's.
        plan: for images of the shape that it was trained on.
        like: see `load_trained_run`.

    Returns:
        The model, and the digest of its weights.

    Raises:
        UserError: if the weights do not fit the configuration, or cannot be read.
    """
    _check_model(directory, plan)
    from cae.model import build_autoencoder

    autoencoder = like or build_autoencoder(plan, seed=config.seed, precision=config.training.precision)
    return autoencoder, load_best_weights(directory, autoencoder)


def load_best_weights(directory: RunDirectory, autoencoder: Autoencoder) -> str:
    """Load a run's best weights into a model of the same plan; returns their digest.

    Raises:
        UserError: if they do not fit, or cannot be read.
    """
    from cae.runs.weights import load_weights

    digest = directory.digest_weights()
    load_weights(directory.weights, autoencoder)
    if directory.digest_weights() != digest:
        raise UserError(f"{directory.weights}: was replaced while it was read, by a training that goes on; try again.")
    return digest


def image_shape_of(directory: RunDirectory, config: RunConfig) -> tuple[int, int, int]:
    """(height, width, channels) of the images that a run was trained on; while it is under way only they can tell.

    Raises:
        UserError: summary.json is damaged or tells another shape than the configuration, or the images cannot be found.
    """
    told = directory.read_summary().get("image_shape") if directory.summary.exists() else None
    if told is None:
        try:
            return find_image_shape(config.data)
        except UserError as error:
            raise UserError(
                f"{directory.path}: has no summary.json that tells its images' shape yet. {error}"
            ) from error
    for side, found, known in zip(("height", "width", "channels"), told, known_image_shape(config.data), strict=True):
        if known is not None and found != known:
            raise file_error(
                directory.summary, f"`image_shape` must be that of the configuration, {side} {known}. Received: {told}."
            )
    return (told[0], told[1], told[2])


def _check_model(directory: RunDirectory, plan: Plan) -> None:
    """Refuse a model that its weights file cannot fill, or that no image fits through, before it is built.

    Each weight takes 4 bytes in the file, which is never compressed: what is in memory is no more than on the disk.
    """
    with naming(directory.weights):
        size = directory.weights.stat().st_size
    if plan.parameters * 4 > size:
        raise file_error(
            directory.weights,
            f"does not fit {directory.config.name}, whose model has {plan.parameters:,} weights of 4 bytes. Received:"
            f" {size:,} bytes.",
        )
    memory, needed = machine_memory(), predict_image_memory(plan)
    if memory is not None and needed > memory:
        raise file_error(
            directory.path,
            f"one image of {'x'.join(map(str, plan.image_shape))} takes {needed / 1e9:,.1f} GB in this run's model, and"
            f" this machine has {memory / 1e9:,.1f} GB.",
        )


def _check_image_shape(directory: RunDirectory, splits: Splits) -> None:
    if not directory.summary.exists():
        return  # a run that is under way or was killed
    trained_on = directory.read_summary().get("image_shape")
    if trained_on != list(splits.image_shape):
        raise UserError(
            f"{directory.path}: was trained on images of shape {trained_on}, and these have {list(splits.image_shape)}"
            " (height, width, channels)."
        )
