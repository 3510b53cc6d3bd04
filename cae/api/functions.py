"""The commands as functions."""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cae.api.objects import Report, Run, TrainedAutoencoder, TrainingResult
from cae.api.spoken import all_in_python, collected, main_in_python, speaks_python
from cae.config import RunConfig, check_config, load_config
from cae.config.problems import closest
from cae.config.registration import how_to_add
from cae.config.yaml.files import PLACE
from cae.errors import ConfigError, UserError
from cae.runs import RunDirectory

if TYPE_CHECKING:
    import numpy as np

    from cae.inference.any_size import Way
    from cae.training.range_test import RangeTest
    from cae.workflows.evaluation import Split
    from cae.workflows.training import TrainingJob

StrPath = str | os.PathLike[str]


@speaks_python
def load(run: StrPath, *, tell: Callable[[str], None] = print) -> TrainedAutoencoder:
    """Load a run's best weights, for images in NumPy arrays; starts TensorFlow.

    Nothing in the run is executed: its model is built from config.yaml, and the weights are numbers.

    Example:
        model = cae.load("runs/quickstart/conv_transpose")
        reconstructions = model.reconstruct(images)  # float32 in [0, 1], the images' shape
        codes = model.encode(images)  # (batch, *model.code_shape)

    Args:
        run: the run directory, or what `train` gave.
        tell: is given a line for the user, when the run is not finished or images are doubtful.

    Raises:
        UserError: there is no such run, or it is damaged.
    """
    return TrainedAutoencoder.load(Path(run), tell)


@speaks_python
def evaluate(
    run: StrPath | Sequence[StrPath],
    *,
    split: Split = "test",
    out: StrPath | None = None,
    metric: str = "psnr",
    overrides: Sequence[str] = (),
    features: bool | None = None,
    again: bool = False,
    images: Any = None,
    validation_images: Any = None,
    test_images: Any = None,
    labels: Any = None,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure a run on images that it was not trained on, beside its baselines and controls; compare several.

    Writes what `evaluate.py RUN` writes. What was measured already, with nothing changed since, is read back.

    Example:
        results = cae.evaluate("runs/quickstart/conv_transpose")
        results["psnr"], results["baselines"]["pca"]["psnr"]

    Args:
        run: the run directory, or what `train` gave; or several, or an experiment, a folder of runs: these are
            compared, see `compare`.
        split: `test`, `validation` or `train`.
        out: folder for the files; None for RUN/evaluation, or EXPERIMENT/comparison.
        metric: what a comparison is sorted by.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        features: what the codes are worth, with probes on labels and pictures; None for images with labels. Only for
            one run at a time.
        again: measure it afresh all the same.
        images: the training images again, of a run that was given them as arrays; see `train`.
        validation_images: likewise.
        test_images: likewise.
        labels: likewise.
        tell: is given a line for the user now and then.

    Returns:
        What `results.json` holds: means over images of `mse`, `mae`, `psnr` (dB), `ssim` and others, `baselines`,
        `floors`, `verdict`, `ablations`, `artefacts`, `features`, sizes of the model and its `code`. Of several runs
        what `comparison.json` holds.

    Raises:
        ConfigError: there is no such split, or an override is of another key.
        UserError: there is no such run, it is damaged, or its images are missing.
    """
    from cae.commands.evaluate import find_runs
    from cae.workflows.evaluation import Split, evaluate_one
    from cae.workflows.planning import check_data_overrides

    if split not in get_args(Split):
        raise ConfigError(f"`split` must be one of {', '.join(get_args(Split))}. Received: split={split!r}.")
    check_data_overrides(overrides)
    paths = [run] if isinstance(run, str | os.PathLike) else list(run)
    given = {"images": images, "validation_images": validation_images, "test_images": test_images}
    notes: list[str] = []
    directories, _ = find_runs([Path(path) for path in paths], notes.append)
    overrides = [*_given_again(directories, given, labels), *overrides]
    if len(directories) > 1:
        if features:
            raise ConfigError("`features` is for one run at a time; a comparison does not look at codes.")
        return compare(paths, split=split, out=out, metric=metric, overrides=overrides, again=again, tell=tell)
    for note in notes:
        tell(note)
    (directory,) = directories
    folder = directory.evaluation if out is None else Path(out)
    results = evaluate_one(
        directory,
        folder,
        split=split,
        metric=metric,
        overrides=overrides,
        features=features,
        again=again,
        tell=tell,
    )
    said: dict[str, Any] = all_in_python(results)
    return said


Config = StrPath | Mapping[str, Any] | RunConfig


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
        _start()
        from cae.training.from_keras.callbacks import Callbacks

        callbacks = tuple(callbacks)
        Callbacks(callbacks)  # says at once what is wrong with them
    if resume and overwrite:
        raise ConfigError("`resume` and `overwrite` exclude each other. Received: resume=True, overwrite=True.")
    given = {"images": images, "validation_images": validation_images, "test_images": test_images}
    own = _own_models(config, encoder, decoder, overrides)
    checked = _checked(config, [*_given(given, labels), *_objects(optimizer, loss), *own, *overrides])
    job = TrainingJob(checked, _source(config), Path(runs_dir), resume, overwrite, tell, jobs, callbacks)
    if checked.grid:
        if callbacks and not callable(callbacks):
            raise ConfigError("`callbacks` must be a function that makes them of a run's configuration for a grid.")
        return _train_grid(job)
    if callbacks and checked.training.strategy == "multi_worker":
        raise ConfigError("`callbacks` are for a training by one process, and training.strategy is multi_worker.")
    _stop_if_told(train_one(job).exit_code)
    return TrainingResult([Run(job.directory.path)], job.experiment)


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

    own = _own_models(config, encoder, decoder, overrides)
    checked = _checked(config, [*_given({"images": images}, None), *_objects(optimizer, loss), *own, *overrides])
    job = TrainingJob(checked, _source(config), Path("runs"), tell=tell)
    return find_learning_rate(job, lowest, highest, steps, lambda done, total: None)


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


@speaks_python
def compare(
    runs: StrPath | Sequence[StrPath],
    *,
    split: Split = "test",
    out: StrPath | None = None,
    metric: str = "psnr",
    band: float | None = None,
    overrides: Sequence[str] = (),
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> Report:
    """Compare decoders by their runs on the same images; does what `evaluate.py RUN RUN ...` does.

    Args:
        runs: run directories, or an experiment: a folder of runs; or what `train` gave for a grid.
        split: `test`, `validation` or `train`.
        out: folder for the files; None for EXPERIMENT/comparison.
        metric: what decoders are sorted by: `mse`, `mae`, `psnr`, `ssim`, `ms_ssim` or `high_frequency_ratio`.
        band: decoders whose figures differ by less are equivalent, in the metric's unit; None for 0.1 dB of PSNR.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        again: measure runs, too, that were measured already.
        tell: is given a line for the user now and then.

    Returns:
        What `comparison.json` holds, shown as the table; `path` is the folder, with comparison.html in it.

    Raises:
        ConfigError: there is no such split or metric.
        UserError: runs have other images, or are too few.
    """
    paths = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    lines = _run(
        "evaluate", tell, runs=paths, split=split, out=out, metric=metric, band=band, overrides=overrides, again=again
    )
    folder = Path(lines[-1])
    if not (folder / "comparison.json").exists():
        raise UserError(f"{', '.join(map(str, paths))}: one run alone; there is nothing to compare it with.")
    figures = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    markdown = (folder / "comparison.md").read_text(encoding="utf-8")
    return Report(figures, "\n".join(lines[:-1]), folder, markdown)


@speaks_python
def visualize(
    run: StrPath,
    *,
    layer: str | None = None,
    maps: str = "top:16",
    method: str = "deconvnet",
    top: int = 9,
    images: StrPath | None = None,
    out: StrPath | None = None,
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> Path:
    """Show what the feature maps of a trained run respond to; does what `python -m cae visualize` does.

    Args:
        run: the run directory, or what `train` gave.
        layer: a layer of the encoder as `describe` names it; None for all.
        maps: `all`, `top:N`, or numbers such as `0,3,5-8`.
        method: `deconvnet`, `gradient` or `guided`.
        top: images for each map, from 1 to 100.
        images: a folder or file of images; None for the run's validation part.
        out: folder for the files; None for RUN/visualization.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        tell: is given a line for the user now and then.

    Returns:
        The folder, with index.html in it.
    """
    return Path(
        _run(
            "visualize",
            tell,
            run_directory=run,
            layer=layer,
            maps=maps,
            method=method,
            top=top,
            images=images,
            out=out,
            overrides=overrides,
        )[-1]
    )


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

    checked = _checked(config, [*_own_models(config, encoder, decoder, overrides), *overrides])
    plan = plan_for(checked, find_image_shape(checked.data), _source(config))
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
def export(
    run: StrPath,
    path: StrPath,
    *,
    format: str | None = None,
    part: str = "autoencoder",
    quantize: bool = False,
    overrides: Sequence[str] = (),
    tell: Callable[[str], None] = print,
) -> Path:
    """Write a trained run as a file that others can serve, checked against the run.

    Args:
        run: the run directory, or what `train` gave.
        path: a file ending in .onnx, .tflite or .keras, or the folder of a SavedModel.
        format: `savedmodel`, `onnx`, `litert` or `keras`; None for what the ending says.
        part: `autoencoder`, `encoder` or `decoder`.
        quantize: store weights in 8 bits; `onnx` and `litert`.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        tell: is given a line for the user now and then.

    Returns:
        The path.

    Raises:
        ConfigError: the path does not fit the format.
        UserError: it cannot be converted, or a package is missing.
    """
    from cae.exporting.formats import FORMATS

    ending = Path(path).suffix
    named = next((name for name, one in FORMATS.items() if one.ending and one.ending == ending), "savedmodel")
    _run(
        "export",
        tell,
        run_directory=run,
        out=path,
        format=format or named,
        part=part,
        quantize=quantize,
        overrides=overrides,
    )
    return Path(path)


@speaks_python
def score(
    run: StrPath,
    images: StrPath | None = None,
    *,
    split: Split | None = None,
    metric: str = "auto",
    fpr: float | None = None,
    calibrate: StrPath | None = None,
    normal_classes: Sequence[str | int] = (),
    labels: StrPath | None = None,
    masks: StrPath | None = None,
    array: str | None = None,
    value_range: tuple[float, float] | None = None,
    size: Way = "auto",
    overlap: int | None = None,
    on_bad_image: Literal["report", "error", "skip"] = "report",
    overrides: Sequence[str] = (),
    out: StrPath | None = None,
    overwrite: bool = False,
    save_maps: bool = False,
    tell: Callable[[str], None] = print,
) -> Report:
    """Score files by how unlike a run's training images they are; arrays are what `TrainedAutoencoder.score` takes.

    Args:
        run: the run directory, or what `train` gave.
        images: one image, a folder of images or an array file; or instead
        split: `test`, `validation` or `train`, a part of the run's own data.
        metric: see `TrainedAutoencoder.score`.
        fpr: the share of further normal images that may lie above a threshold, which is found.
        calibrate: normal images to find the threshold with; None for the run's validation images.
        normal_classes: classes that are normal; the result then says how well scores tell the others from them.
        labels: a file of the images' classes, where folders do not tell them: .csv with columns file and label, or
            numbers in a .npy or IDX file.
        masks: a folder of masks of what is anomalous.
        array: the name of the images in an .npz or .h5 file.
        value_range: the values in the files that are black and white; None for the run's, where the type can hold it.
        size: what becomes of images of another size; see `TrainedAutoencoder.reconstruct`.
        overlap: pixels that tiles share.
        on_bad_image: `report` names images that cannot be read, and raises at the end; `error` stops at the first;
            `skip` names them only.
        overrides: `data.KEY=VALUE` with `split`, for images that are elsewhere now.
        out: folder for scores.csv, results.json, index.html and heat maps; None writes nothing.
        overwrite: write into a folder that holds files already.
        save_maps: write each image's error map as numbers, too.
        tell: is given a line for the user now and then.

    Returns:
        What results.json holds, and under `scores` each image's name to its score.

    Raises:
        ConfigError: arguments exclude each other.
        UserError: images are missing, or cannot be read.
    """
    import csv

    from cae.inference.any_size import WAYS

    if size not in WAYS:
        raise ConfigError(f"`size` must be one of {', '.join(WAYS)}. Received: size={size!r}.")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary, "scored") if out is None else Path(out)
        lines = _run(
            "score",
            lambda line: None if temporary in line else tell(line),  # it is gone when anybody looks
            run_directory=run,
            input=images,
            split=split,
            metric=metric,
            fpr=fpr,
            calibrate=calibrate,
            normal_classes=",".join(map(str, normal_classes)) or None,
            labels=labels,
            masks=masks,
            array=array,
            value_range=value_range,
            way=size,
            tile=(-1 if overlap is None else overlap) if size == "tile" else None,
            on_bad_image=on_bad_image,
            overrides=list(overrides),
            out=folder,
            overwrite=overwrite,
            save_maps=save_maps,
            no_heat_maps=out is None,
        )
        figures = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        with (folder / "scores.csv").open(newline="", encoding="utf-8") as file:
            figures["scores"] = {row["file"]: float(row["score"]) for row in csv.DictReader(file)}
    return Report(figures, "\n".join(lines[:-1]), None if out is None else folder)


@speaks_python
def prepare(
    folder: StrPath,
    out: StrPath,
    *,
    image_size: tuple[int, int] | None = None,
    fit: str = "stretch",
    channels: int | None = None,
    shard_megabytes: float = 128,
    on_bad_image: str = "error",
    max_pixels: int = 100_000_000,
    overwrite: bool = False,
    tell: Callable[[str], None] = print,
) -> Path:
    """Write a large image folder as TFRecord shards, which `data.source: tfrecord` reads.

    Args:
        folder: image folder, as for `data.source: image_folder`.
        out: folder for the shards; appears when all is written.
        image_size: height and width that all images are brought to; None stores files as they are.
        fit: `stretch` or `crop`, how `image_size` is reached.
        channels: 1 or 3; None leaves them.
        shard_megabytes: size at which a shard is full.
        on_bad_image: `error` stops at files that cannot be read, `skip` leaves them out.
        max_pixels: most pixels of an image.
        overwrite: replace `out` if it is a prepared data set.
        tell: is given a line for the user now and then.

    Returns:
        The folder of the shards.
    """
    _run(
        "prepare",
        tell,
        folder=folder,
        out=out,
        image_size=image_size and list(image_size),
        fit=fit,
        channels=channels,
        shard_megabytes=shard_megabytes,
        on_bad_image=on_bad_image,
        max_pixels=max_pixels,
        overwrite=overwrite,
    )
    return Path(out)


@speaks_python
def load_images(
    data: Config, part: Split = "train", *, most: int | None = None, tell: Callable[[str], None] = print
) -> tuple[np.ndarray, np.ndarray | None]:
    """Load images as training has them: sized, and divided into parts.

    Example:
        images, labels = cae.load_images("bundled", "test")

    Args:
        data: a run, or what `train` gave; a configuration or its `data` section; a folder of images or an array file;
            or a word such as `bundled` or `mnist`.
        part: `train`, `validation` or `test`.
        most: only the first so many.
        tell: is given a line for the user now and then.

    Returns:
        The images, (images, height, width, channels), uint8, or float32 in [0, 1] where they have more than 8 bits;
        and one integer for each, or None where there are no labels.

    Raises:
        ConfigError: there is no such part, or the configuration is wrong.
        UserError: images are missing or damaged.
    """
    import numpy as np

    from cae.commands.arguments.parser import source_of
    from cae.workflows.planning import load_splits_with_progress

    if part not in ("train", "validation", "test"):
        raise ConfigError(f"`part` must be train, validation or test. Received: part={part!r}.")
    if isinstance(data, Mapping) and "source" in data:
        data = {"data": data}
    elif isinstance(data, str | os.PathLike):
        path = Path(data)
        if RunDirectory(path).exists:
            data = RunDirectory(path).config
        elif path.suffix not in (".yaml", ".yml"):
            source, place = source_of(os.fspath(data))
            data = {"data": {"source": source, **({"path": place} if place else {})}}
    images = getattr(load_splits_with_progress(_checked(data, ()).data, tell), part)
    indices = np.arange(len(images) if most is None else min(most, len(images)))
    return images.read(indices), None if images.labels is None else images.labels[indices]


def _run(command: str, tell: Callable[[str], None], **given: Any) -> list[str]:
    """Run a command of the command line with its options by their Python names; returns the lines that it prints."""
    from cae.commands.main import make_command_parser

    parser, options = make_command_parser(command), argparse.Namespace(debug=False, quiet=False)
    for action in parser._actions:
        value = given.get(action.dest)
        if value is None:
            value = action.default if action.default is not argparse.SUPPRESS else None
        elif action.type is Path:
            value = [Path(one) for one in value] if isinstance(value, list) else Path(value)
        elif action.choices and value not in action.choices:
            meant = closest(str(value), action.choices, cutoff=0.5)
            advice = f"did you mean {meant}?" if meant else how_to_add(action.choices)
            hint = f"; {advice}" if advice else ""
            raise ConfigError(f"`{action.dest}` must be one of {', '.join(action.choices)}. Received: {value!r}{hint}.")
        setattr(options, action.dest, value)
    with collected(tell) as printed:
        exit_code = parser.get_default("run")(options)
    if exit_code:
        raise UserError(f"{command} has not gone through for all of it; the lines above say why.")
    return printed.getvalue().splitlines()


def _given(parts: Mapping[str, Any], labels: Any) -> list[str]:
    """Overrides for images that are handed over in the place of the configuration's own."""
    if parts["images"] is None:
        if others := [name for name, given in parts.items() if given is not None]:
            raise ConfigError(f"`{others[0]}` needs `images`, those for training.")
        if labels is not None:
            raise ConfigError("`labels` needs `images`, whose they are.")
        return []
    kept = _keep(parts, labels)
    settings: dict[str, Any] = {"source": "memory", **kept}
    settings |= dict.fromkeys(("path", "validation_path", "test_path"))
    settings |= {f"{name.removesuffix('_images')}_fraction": 0.1 for name in kept if name != "images"}
    return [f"data.{key}={json.dumps(value)}" for key, value in settings.items()]


def _start() -> None:
    from cae.engine import start_engine

    start_engine()


def _keep(parts: Mapping[str, Any], labels: Any) -> dict[str, Any]:
    _start()  # data sets are TensorFlow's and Keras'
    from cae.data.sources.memory import keep

    return {
        name: keep(name, given, labels if name == "images" else None).model_dump(mode="json")
        for name, given in parts.items()
        if given is not None
    }


def _given_again(directories: Sequence[RunDirectory], parts: Mapping[str, Any], labels: Any) -> list[str]:
    """Hand images over that runs were trained on; overrides where a run has others."""
    from cae.config.data import MemoryData

    if all(given is None for given in parts.values()) and labels is None:
        return []
    sections = [load_config(directory.config).data for directory in directories]
    if not all(isinstance(section, MemoryData) for section in sections):
        return _given(parts, labels)
    kept = _keep(parts, labels)
    for section, directory in zip(sections, directories, strict=True):
        begun = section.model_dump(mode="json")
        for name, given in kept.items():
            if begun[name] != given:
                raise UserError(f"{directory.path}: `{name}` are not those of the run: {given}, and not {begun[name]}.")
    return []


def _objects(optimizer: Any, loss: Any) -> list[str]:
    """Overrides for objects of Keras."""
    if optimizer is None and loss is None:
        return []
    _start()
    from cae.config.objective import Reconstruction
    from cae.training.from_keras.objects import record, record_optimizer

    found: dict[str, Any] = {} if optimizer is None else record_optimizer(optimizer)
    if isinstance(loss, str) and loss in Reconstruction.model_fields:
        found |= {"objective.reconstruction": {loss: 1.0}, "objective.loss": None}
    elif loss is not None:
        found |= {"objective.reconstruction": {"mse": 1.0}, "objective.loss": record("loss", loss)}
    return [f"{key}={json.dumps(value)}" for key, value in found.items()]


def _own_models(config: Config, encoder: Any, decoder: Any, overrides: Sequence[str]) -> list[str]:
    """Overrides for models of Keras."""
    if encoder is None and decoder is None:
        return []
    _start()
    from cae.kinds.own_model import keep, stages_of

    found: dict[str, Any] = {}
    if encoder is not None:
        found |= {"model.encoder.keras": keep("encoder", encoder).model_dump(), "model.bottleneck": "none"}
        filters, stages = _checked(config, overrides).model.encoder.filters, stages_of(encoder)
        if stages and stages != len(filters):
            wider = [min(256, filters[-1] * 2 ** (1 + more)) for more in range(stages - len(filters))]
            found["model.encoder.filters"] = [*filters[:stages], *wider]
    if decoder is not None:
        found["model.decoder"] = {"keras": keep("decoder", decoder).model_dump()}
    return [f"{key}={json.dumps(value)}" for key, value in found.items()]


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
