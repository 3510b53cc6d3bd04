"""What begins with a configuration: `describe`, `tune` and `train`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cae.api.given import Config, StrPath, check, given_images, given_models, given_objects, source_of_config
from cae.api.objects import Report, Run, TrainingResult
from cae.api.spoken import main_in_python, speaks_python
from cae.engine import start_engine
from cae.errors import ConfigError, UserError

if TYPE_CHECKING:
    from cae.training.range_test import RangeTest
    from cae.workflows.training import TrainingJob


@speaks_python
def describe(
    config: Config,
    *,
    encoder: Any = None,
    decoder: Any = None,
    overrides: Sequence[str] = (),
    figure: StrPath | None = None,
) -> Report:
    """Plan a model without training: layers, shapes, weights, multiply-accumulates, code size and memory.

    Args:
        config: as for `train`, without a grid.
        encoder: as for `train`.
        decoder: as for `train`.
        overrides: as for `train`.
        figure: a file ending in .png, .svg or .pdf that encoder and decoder are drawn in.

    Returns:
        The plan as the command `describe` prints it with `--json`, shown as the table.

    Raises:
        ConfigError: the configuration is wrong, or the model does not fit its images.
    """
    from dataclasses import asdict

    from cae.data.sources import find_image_shape
    from cae.plan.table import format_plan, format_step_memory
    from cae.workflows.planning import batch_size_of, memory_of_step, plan_for

    checked = check(config, [*given_models(config, encoder, decoder, overrides), *overrides])
    plan = plan_for(checked, find_image_shape(checked.data), source_of_config(config))
    if figure is not None:
        from cae.plan_figure.draw import check_ending, save_plan_figure

        check_ending(Path(figure))
        save_plan_figure(plan, Path(figure))
    batch_size = batch_size_of(checked, plan)
    memory = memory_of_step(checked, plan, batch_size)
    text = f"{format_plan(plan)}\n{format_step_memory(memory, batch_size, checked.training.planned_precision)}"
    figures = {**plan.as_dict(), "batch_size": batch_size, "step_memory_bytes": asdict(memory)}
    return Report(figures, text, None if figure is None else Path(figure))


@speaks_python
def tune(
    config: Config,
    *,
    images: Any = None,
    optimizer: Any = None,
    loss: Any = None,
    encoder: Any = None,
    decoder: Any = None,
    overrides: Sequence[str] = (),
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    tell: Callable[[str], None] = print,
) -> RangeTest:
    """Find a learning rate by a short training whose rate rises step by step; does what `python -m cae tune` does.

    Nothing is written. See Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.

    Example:
        found = cae.tune("configs/quickstart.yaml")
        cae.train("configs/quickstart.yaml", overrides=[f"training.optimizer.learning_rate={found.suggestion}"])

    Args:
        config: as for `train`, without a grid.
        images: as for `train`; likewise the next four. An optimizer's schedule is not used.
        optimizer: see `images`.
        loss: see `images`.
        encoder: see `images`.
        decoder: see `images`.
        overrides: as for `train`.
        lowest: the rate of the first step.
        highest: the rate of the last step, which is not taken where the loss diverges before.
        steps: at most so many.
        tell: is given a line for the user now and then.

    Returns:
        `suggestion`, a tenth of `lowest_at`, which is the rate at which the loss was lowest; and for each step
        `rates`, `losses` and `smoothed`.

    Raises:
        ConfigError: the configuration is wrong, or it has a grid.
        UserError: images are missing or damaged, or the loss falls at no rate.
    """
    from cae.workflows.training import TrainingJob, find_learning_rate

    own = given_models(config, encoder, decoder, overrides)
    checked = check(
        config, [*given_images({"images": images}, None), *given_objects(optimizer, loss), *own, *overrides]
    )
    job = TrainingJob(checked, source_of_config(config), Path("runs"), tell=tell)
    return find_learning_rate(job, lowest, highest, steps, lambda done, total: None)


@speaks_python
def train(
    config: Config,
    *,
    images: Any = None,
    validation_images: Any = None,
    test_images: Any = None,
    labels: Any = None,
    callbacks: Any = (),
    optimizer: Any = None,
    loss: Any = None,
    encoder: Any = None,
    decoder: Any = None,
    overrides: Sequence[str] = (),
    runs_dir: StrPath = "runs",
    resume: bool = False,
    overwrite: bool = False,
    jobs: int | Literal["auto"] = "auto",
    tell: Callable[[str], None] = print,
) -> TrainingResult:
    """Train an autoencoder, or with a `grid` one for each combination; does what `train.py` does.

    A single run is trained in this process, in any thread; those of a grid in others, unless they need what only
    this program has: arrays, callbacks, objects, models, registered parts. Ctrl-C, or a notebook's stop button, is a
    KeyboardInterrupt once a checkpoint is written: `resume=True` goes on from there. (So it is in the main thread,
    whose business signals are.) Epochs are shown on stderr, in a notebook as a bar and curves.

    Images that are given here are recorded by shape, type and SHA-256 in the run's configuration, and written nowhere:
    `resume=True`, and `cae.evaluate` in another program, need the same ones again. Data sets are read once, to their
    end; what changes images at random belongs in `data.augmentation`.

    Example:
        result = cae.train(
            {"name": "small", "model": {"encoder": {"filters": [16, 32]}}, "training": {"epochs": 3}},
            images=x_train,
            optimizer=keras.optimizers.Lion(3e-4),
            callbacks=[keras.callbacks.CSVLogger("log.csv")],
        )
        result.history["val_psnr"]
        model = result.load()

    Args:
        config: a YAML file, the same keys as nested dictionaries, or a RunConfig. In a dictionary relative paths, also
            that of `extends`, start from the current folder.
        images: training images in the place of the configuration's `data.source`: an array as files have it, (array,
            labels), a `tf.data.Dataset` or a `keras.utils.PyDataset` of images, alone or with labels.
        validation_images: likewise; without them a share of the training images is held out.
        test_images: likewise.
        labels: one integer for each training image; never used in training.
        callbacks: of Keras, whose `self.model` maps images to reconstructions; for a grid a function that makes them of
            a run's configuration. What they keep as numbers and arrays is in every checkpoint.
        optimizer: of Keras, in the place of `training.optimizer` and, if it has one, of `training.schedule`.
        loss: of Keras, by name or as an object, or a function of images and reconstructions, in the place of
            `objective.reconstruction`. What is not Keras' own must be given again to resume.
        encoder: a model of Keras from images, float32 in [0, 1], (batch, height, width, channels), to a map or a
            vector, such as a backbone of `keras.applications`. What it gives is the code, unless `overrides` name a
            `model.bottleneck`. It keeps its weights and which of them are trainable. The decoder mirrors the
            encoder's keys; where these have another number of stages, it gets as many as the model halves the image.
        decoder: a model of Keras from the code to images, in the place of `model.decoder`; its output is the
            reconstruction as it is. Both lie in the run as `encoder.keras` and `decoder.keras`.
        overrides: as `--set` on the command line: `KEY=VALUE` with a dotted key and a YAML value.
        runs_dir: where runs are kept; each is at RUNS_DIR/EXPERIMENT/NAME.
        resume: go on with a run exactly where its checkpoint is, or take it as it is if it is finished. A grid always
            does. With more `training.epochs` than before, the run goes on for longer.
        overwrite: start afresh what is there already.
        jobs: how many runs of a grid are trained side by side; by default as many as cores, memory and their number
            allow. Those that need what only this program has are trained here, one after another.
        tell: is given a line for the user now and then.

    Returns:
        The run directory or directories, with what they hold.

    Raises:
        ConfigError: the configuration is wrong, with a line for each problem; or a run is there already.
        UserError: images are missing or damaged, the loss is no longer finite, or runs of a grid failed.
        OSError: the disk is full, or a file cannot be written.
    """
    from cae.workflows.training import TrainingJob, train_one

    if callbacks and not callable(callbacks):
        start_engine()
        from cae.training.from_keras.callbacks import Callbacks

        callbacks = tuple(callbacks)
        Callbacks(callbacks)  # says at once what is wrong with them
    if resume and overwrite:
        raise ConfigError("`resume` and `overwrite` exclude each other. Received: resume=True, overwrite=True.")
    given = {"images": images, "validation_images": validation_images, "test_images": test_images}
    own = given_models(config, encoder, decoder, overrides)
    checked = check(config, [*given_images(given, labels), *given_objects(optimizer, loss), *own, *overrides])
    job = TrainingJob(checked, source_of_config(config), Path(runs_dir), resume, overwrite, tell, jobs, callbacks)
    if checked.grid:
        if callbacks and not callable(callbacks):
            raise ConfigError("`callbacks` must be a function that makes them of a run's configuration for a grid.")
        return _train_grid(job)
    if callbacks and checked.training.strategy == "multi_worker":
        raise ConfigError("`callbacks` are for a training by one process, and training.strategy is multi_worker.")
    _stop_if_told(train_one(job).exit_code)
    return TrainingResult([Run(job.directory.path)], job.experiment)


def _train_grid(job: TrainingJob) -> TrainingResult:
    from cae.workflows.grid import find_grid, train_grid

    combinations = find_grid(job)
    paths, exit_code = train_grid(job, program=main_in_python)
    _stop_if_told(exit_code)
    if exit_code:
        missing = [combination.config.name for combination in combinations if combination.directory.path not in paths]
        raise UserError(
            f"{job.source}: {len(missing)} of {len(combinations)} runs are not trained, for the reasons above:"
            f" {', '.join(missing)}."
        )
    return TrainingResult([Run(path) for path in paths], job.experiment)


def _stop_if_told(exit_code: int) -> None:
    """Hand a stop signal on to whom it was meant for, after it has waited for the checkpoint."""
    if exit_code > 128:
        signal.raise_signal(exit_code - 128)
