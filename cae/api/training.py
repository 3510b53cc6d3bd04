"""Training from Python."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.api.run import Run, TrainingResult
from cae.config import ConfigError, RunConfig, check_config, load_config
from cae.config.files import PLACE
from cae.errors import UserError

if TYPE_CHECKING:
    from cae.commands.training_order import Order

Config = str | os.PathLike[str] | Mapping[str, Any] | RunConfig


def train(
    config: Config,
    *,
    overrides: Sequence[str] = (),
    runs_dir: str | os.PathLike[str] = "runs",
    resume: bool = False,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
) -> TrainingResult:
    """Train an autoencoder, or with a `grid` one for each combination; does what `train.py` does.

    A single run is trained in this process, in any thread; each of a grid's in a process of its own. Ctrl-C, or a
    notebook's stop button, is a KeyboardInterrupt once a checkpoint is written: `resume=True` goes on from there. (So
    it is in the main thread, whose business signals are.) Epochs are shown on stderr. `training.deterministic: true`
    holds for the rest of the process.

    Example:
        result = cae.train({"name": "small", "model": {"encoder": {"filters": [16, 32]}}, "training": {"epochs": 3}})
        result.summary["best"]["val_psnr"]
        model = result.load()

    Args:
        config: A YAML file, the same keys as nested dictionaries, or a RunConfig. In a dictionary relative paths, also
            that of `extends`, start from the current folder.
        overrides: As `--set` on the command line: `KEY=VALUE` with a dotted key and a YAML value.
        runs_dir: Where runs are kept; each is at RUNS_DIR/EXPERIMENT/NAME.
        resume: Go on with a run exactly where its checkpoint is, or take it as it is if it is finished. A grid always
            does. With more `training.epochs` than before, the run goes on for longer.
        overwrite: Start afresh what is there already.
        tell: Is given a line for the user now and then.

    Returns:
        The run directory or directories, with what they hold.

    Raises:
        ConfigError: The configuration is wrong, with a line for each problem; or a run is there already.
        UserError: Images are missing or damaged, the loss is no longer finite, or runs of a grid failed.
        OSError: The disk is full, or a file cannot be written.
    """
    from cae.commands.training_order import Order, train_one

    if resume and overwrite:
        raise ConfigError("`resume` and `overwrite` exclude each other. Received: resume=True, overwrite=True.")
    checked = _checked(config, overrides)
    order = Order(checked, _source(config), Path(runs_dir), resume, overwrite, tell)
    if checked.grid:
        return _train_grid(order)
    _stop_if_told(train_one(order).exit_code)
    return TrainingResult([Run(order.directory.path)], order.experiment)


def _train_grid(order: Order) -> TrainingResult:
    from cae.commands.training_order import find_grid, train_grid
    from cae.config.registration import check_other_processes_know

    combinations = find_grid(order)
    check_other_processes_know(combination.config.model for combination in combinations)
    paths, exit_code = train_grid(order, combinations)
    _stop_if_told(exit_code)
    if exit_code:
        missing = [combination.config.name for combination in combinations if combination.directory.path not in paths]
        raise UserError(
            f"{order.source}: {len(missing)} of {len(combinations)} runs are not trained, for the reasons above:"
            f" {', '.join(missing)}."
        )
    return TrainingResult([Run(path) for path in paths], order.experiment)


def _checked(config: Config, overrides: Sequence[str]) -> RunConfig:
    if isinstance(config, RunConfig):
        return check_config(config.model_dump(), overrides)
    if isinstance(config, Mapping):
        return check_config(config, overrides)
    return load_config(os.fspath(config), overrides)


def _source(config: Config) -> Path:
    return Path(PLACE.source) if isinstance(config, Mapping | RunConfig) else Path(config)


def _stop_if_told(exit_code: int) -> None:
    """Hand a stop signal on to whom it was meant for, after it has waited for the checkpoint."""
    if exit_code > 128:
        signal.raise_signal(exit_code - 128)
