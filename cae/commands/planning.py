"""What commands do with a configuration before the engine starts: find the images, plan the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cae.commands.messages import progress_bar
from cae.config import ConfigError, RunConfig
from cae.data.image_set import Splits
from cae.data.load import load_splits
from cae.plan import Plan, PlanError, make_plan

if TYPE_CHECKING:
    from cae.config.data import DataSection


def add_override_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set`, which changes keys of the configuration."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override one dotted key, e.g. model.decoder.upsampling.kind=max_unpool; repeatable",
    )


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


def load_splits_with_progress(section: DataSection) -> Splits:
    """Load the images' splits; a scan of many files shows a bar on a terminal."""
    with progress_bar("reading headers", "file") as show:
        return load_splits(section, show)
