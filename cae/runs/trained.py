"""A trained run brought back: its configuration, plan, images and model with the best weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cae.config import RunConfig, load_config
from cae.data.image_set import Splits
from cae.errors import UserError
from cae.plan import Plan, make_plan
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
    directory: RunDirectory, load_splits: Callable[[DataSection], Splits], overrides: Sequence[str] = ()
) -> TrainedRun:
    """Rebuild a run's model from its configuration and load its best weights.

    Nothing in the run directory is executed: the architecture comes from config.yaml, the weights are numbers.

    Args:
        directory: from `open_run`.
        load_splits: how to find the images, `cae.data.load.load_splits` or the like.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.

    Raises:
        UserError: if the weights or the images do not fit the configuration, or cannot be read.
    """
    config = load_config(directory.config, overrides)
    splits = load_splits(config.data)
    _check_image_shape(directory, splits)
    plan = make_plan(config.model, splits.image_shape)
    autoencoder, digest = load_autoencoder(directory, config, plan)
    return TrainedRun(directory, config, plan, splits, autoencoder, digest)


def load_autoencoder(directory: RunDirectory, config: RunConfig, plan: Plan) -> tuple[Autoencoder, str]:
    """Build a run's model and load its best weights; needs no images.

    Args:
        directory: from `open_run`.
        config: the run's.
        plan: for images of the shape that it was trained on.

    Returns:
        The model, and the digest of its weights.

    Raises:
        UserError: if the weights do not fit the configuration, or cannot be read.
    """
    from cae.model import build_autoencoder

    autoencoder = build_autoencoder(plan, seed=config.seed, precision=config.training.precision)
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


def _check_image_shape(directory: RunDirectory, splits: Splits) -> None:
    if not directory.summary.exists():
        return  # a run that is under way or was killed
    trained_on = directory.read_summary().get("image_shape")
    if trained_on != list(splits.image_shape):
        raise UserError(
            f"{directory.path}: was trained on images of shape {trained_on}, and these have {list(splits.image_shape)}"
            " (height, width, channels)."
        )
