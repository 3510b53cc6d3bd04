"""Runs that were trained: loaded, and measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cae.errors import ConfigError
from cae.runs import open_run

if TYPE_CHECKING:
    from cae.commands.evaluate import Split
    from cae.inference import TrainedAutoencoder


def load(run: str | os.PathLike[str], *, tell: Callable[[str], None] = print) -> TrainedAutoencoder:
    """Load a run's best weights, for images in NumPy arrays; starts TensorFlow.

    Nothing in the run is executed: its model is built from config.yaml, and the weights are numbers.

    Example:
        model = cae.load("runs/quickstart/conv_transpose")
        reconstructions = model.reconstruct(images)  # float32 in [0, 1], the images' shape
        codes = model.encode(images)  # (batch, *model.code_shape)

    Args:
        run: The run directory, or what `train` gave.
        tell: Is given a line for the user, when the run is not finished or images are doubtful.

    Raises:
        UserError: There is no such run, or it is damaged.
    """
    from cae.inference import TrainedAutoencoder

    return TrainedAutoencoder.load(Path(run), tell)


def evaluate(
    run: str | os.PathLike[str],
    *,
    split: Split = "test",
    out: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    features: bool | None = None,
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure a run on images that it was not trained on, beside its baselines and controls.

    Writes what `evaluate.py RUN` writes. What was measured already, with nothing changed since, is read back.

    Example:
        results = cae.evaluate("runs/quickstart/conv_transpose")
        results["psnr"], results["baselines"]["pca"]["psnr"]

    Args:
        run: The run directory, or what `train` gave.
        split: `test`, `validation` or `train`.
        out: Folder for the files; None for RUN/evaluation.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        features: What the codes are worth, with probes on labels and pictures; None for images with labels.
        again: Measure it afresh all the same.
        tell: Is given a line for the user now and then.

    Returns:
        What `results.json` holds: means over images of `mse`, `mae`, `psnr` (dB), `ssim` and others, `baselines`,
        `floors`, `verdict`, `ablations`, `artefacts`, `features`, sizes of the model and its `code`.

    Raises:
        ConfigError: There is no such split, or an override is of another key.
        UserError: There is no such run, it is damaged, or its images are missing.
    """
    from cae.commands.evaluate import Split, evaluate_one
    from cae.commands.planning import check_data_overrides

    if split not in get_args(Split):
        raise ConfigError(f"`split` must be one of {', '.join(get_args(Split))}. Received: split={split!r}.")
    check_data_overrides(overrides)
    directory = open_run(Path(run), tell)
    folder = directory.evaluation if out is None else Path(out)
    return evaluate_one(directory, folder, split=split, overrides=overrides, features=features, again=again, tell=tell)
