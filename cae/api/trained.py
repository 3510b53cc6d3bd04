"""What begins with trained runs: `load`, `evaluate`, `compare`, `visualize`, `export` and `score`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cae.api.command import run_command
from cae.api.given import StrPath, given_again, path_of, paths_of
from cae.api.objects import Report, TrainedAutoencoder
from cae.api.spoken import all_in_python, speaks_python
from cae.errors import ConfigError, UserError

if TYPE_CHECKING:
    from cae.inference.any_size import Way
    from cae.workflows.evaluation import Split


_FILES = "an image, a folder of images or an array file"
_ARRAYS = "Arrays are what `cae.load(run).score` takes."


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
    return TrainedAutoencoder.load(path_of("run", run), tell)


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
    paths = paths_of("run", run)
    given = {"images": images, "validation_images": validation_images, "test_images": test_images}
    notes: list[str] = []
    directories, _ = find_runs(paths, notes.append)
    overrides = [*given_again(directories, given, labels), *overrides]
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
    paths = paths_of("runs", runs)
    lines = run_command(
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
        run_command(
            "visualize",
            tell,
            run_directory=path_of("run", run),
            layer=layer,
            maps=maps,
            method=method,
            top=top,
            images=None if images is None else path_of("images", images, _FILES),
            out=out,
            overrides=overrides,
        )[-1]
    )


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

    ending = path_of("path", path, "a file or folder").suffix
    named = next((name for name, one in FORMATS.items() if one.ending and one.ending == ending), "savedmodel")
    run_command(
        "export",
        tell,
        run_directory=path_of("run", run),
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
            numbers in a .npy file or an IDX file of uint8.
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
        lines = run_command(
            "score",
            lambda line: None if temporary in line else tell(line),  # it is gone when anybody looks
            run_directory=path_of("run", run),
            input=None if images is None else path_of("images", images, _FILES, _ARRAYS),
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
