"""`score`: how unlike a run's training images others are."""

from __future__ import annotations

import argparse
import contextlib
import functools
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cae.anomaly.calibration import CalibrationImages
from cae.anomaly.detection import Scored, Threshold, calibrate, check_normal, read_classes, report
from cae.anomaly.localization import GROUND_TRUTH, Masks, PixelMeter, find_masks, localization_lines
from cae.anomaly.page import Gallery, make_scores_page
from cae.anomaly.pixel_baselines import MOST_IMAGES, PixelBaselines
from cae.anomaly.scores import at_size, color_errors, error_map
from cae.atomic_files import filling_folder, table_cell, write_json, write_text, writing_table
from cae.commands.arguments.images import (
    BadImages,
    add_image_arguments,
    add_size_arguments,
    check_image_arguments,
    doubts_of_own_images,
    open_given,
    open_path,
    open_split,
    overlap_of,
    tell_warnings,
    way_of,
)
from cae.config import load_config
from cae.config.data import CLASS_NAMES, ImageFolderData
from cae.data.dividing import are_comparable, class_name, find_shared
from cae.data.formats.image_files import BadImageError
from cae.data.image_set import Progress, spread_over
from cae.errors import ConfigError, RunWarning, UserError
from cae.files import file_error, printable
from cae.inference import TrainedAutoencoder
from cae.inference.inputs import AsTrained, Inputs, fit_as_trained, in_options, read_groups
from cae.inference.output_folder import OutputFolder, check_is_usable, compare_all
from cae.inference.scoring import ALL_METRICS, ImageScore, find_score
from cae.messages import progress_bar, tell, telling_once
from cae.runs import check_is_writable, open_run

if TYPE_CHECKING:
    from cae.inference.any_size import AnySize

HEAT_MAPS, MAPS, PAGE = "heat_maps", "maps", "index.html"
_PIXEL_BATCH = 64
# Training images that those for the threshold are compared with, where pixels have to be.
_MOST_COMPARED = 10_000
_USUAL_RATE = 0.01
_DENOISING = ("model.bottleneck={kind: dense, units: 16}", "objective.corruption={kind: gaussian, stddev: 0.2}")


def add_score_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_image_arguments(parser)
    add_size_arguments(parser)
    group = parser.add_argument_group("how images are scored")
    group.add_argument(
        "--metric",
        choices=ALL_METRICS,
        default="auto",
        help="the score. Of the error alone: mse, mae, ssim (1 - SSIM), peak and top (highest local error, mean of the"
        " highest hundredth: small defects). Fitted to the run's training images: place and scales (errors over those"
        " usual there), whitened and patches (unusual patterns of the error; of image and error, beside the rest of the"
        " same image), code_nearest, code_mahalanobis and place_nearest (distances of codes), and combined, several of"
        " these. Default: auto, combined where training images can be compared with, else mse",
    )
    group.add_argument(
        "--calibrate",
        type=Path,
        metavar="NORMAL",
        help="normal images, not trained on, to find the threshold with; as INPUT; default with --fpr: the run's"
        " validation images",
    )
    group.add_argument(
        "--fpr",
        type=float,
        metavar="RATE",
        help=f"the share of further normal images that may lie above the threshold; default with --calibrate:"
        f" {_USUAL_RATE}",
    )
    group.add_argument(
        "--normal-classes",
        metavar="A,B",
        help="classes that are normal; the rest counts as anomalous; default with --split: the run's `data.classes`",
    )
    group.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="classes of the images, where folders do not tell them: a .csv with columns file and label, or numbers in"
        " a .npy file or an IDX file of uint8",
    )
    group = parser.add_argument_group("what is written")
    group.add_argument("--out", type=Path, help=f"folder for scores.csv, results.json, {PAGE} and {HEAT_MAPS}/")
    group.add_argument("--overwrite", action="store_true", help="write into a folder that holds files already")
    group.add_argument("--no-heat-maps", action="store_true", help=f"with --out, write no {HEAT_MAPS}/")
    group.add_argument(
        "--save-maps",
        action="store_true",
        help=f"with --out, write each image's error map as numbers, too: {MAPS}/NAME.npy, float32, of the image's size",
    )
    group.add_argument(
        "--masks",
        type=Path,
        metavar="FOLDER",
        help="masks of what is anomalous, under the images' names, with or without _mask: how well error maps find it,"
        f" by pixel AUROC and per-region overlap; default: {GROUND_TRUTH} beside the folder of test images, if there is"
        " one",
    )


def run_score(options: argparse.Namespace) -> int:
    """Score images; prints what there is to tell, and last the folder, if there is one."""
    _check(options)
    directory = open_run(options.run_directory, tell)
    model = TrainedAutoencoder.load(directory, tell)
    # Of a run that was trained on some classes, the others are what is to be found.
    once = telling_once(tell)  # the same images are opened for this and that
    inputs = open_given(model, options, is_scored=True, tell=once)
    classes = inputs.classes if options.labels is None else read_classes(options.labels, inputs.names)
    normal = _normal_classes(model, options, classes)
    score = find_score(
        model,
        options.metric,
        way_of(options),
        is_own=options.split is not None,
        open_training=lambda most: open_split(model, "train", options.overrides, most=most, tell=once),
        refuse=lambda reason: ConfigError(f"--metric {reason}"),
    )
    if score.said:
        tell(score.said)
    # Those that are stretched are so anyhow, and their heat maps have their own size.
    if score.is_fitted and options.split is None and getattr(model.config.data, "fit", "stretch") != "stretch":
        inputs = AsTrained(inputs, model.image_shape[:2], model.config.data)
    is_whole = options.split is None and not score.is_fitted
    sizes = model._at_any_size(overlap_of(options))
    bad, bad_normal = BadImages(options.on_bad_image), BadImages(options.on_bad_image)
    threshold, calibrated_on = _find_threshold(
        model, sizes, options, score, bad_normal, normal, classes, once, is_whole=is_whole
    )
    baselines = _find_baselines(model, options, once, is_whole=is_whole) if normal else None
    masks, meter, gallery = _find_masks(model, options, inputs, classes, normal), PixelMeter(), Gallery()
    with contextlib.nullcontext() if options.out is None else filling_folder(options.out) as folder:
        with _writing(folder, options, inputs, classes, threshold) as write:

            def keep(index: int, image: np.ndarray, seen: Pair, errors: np.ndarray, score: float) -> None:
                write(index, image, seen, errors, score)
                calibrated_on.look(image)
                if folder is not None:
                    gallery.add(score, *seen, errors)
                if masks is not None:
                    meter.add(at_size(errors, image.shape[:2]), masks.read(index, image.shape[:2]))

            indices, scores, others = _score_all(inputs, sizes, options, score, bad, "scoring", keep, baselines)
            tell_warnings(inputs, options, once)
            exit_code = max(bad.exit_code(len(inputs.names)), 1 if bad_normal.is_failure else 0)
        scored = Scored(
            [inputs.names[index] for index in indices],
            scores,
            score.metric,
            None if classes is None else [classes[index] or "" for index in indices],
            threshold,
            normal,
            others,
            [*calibrated_on.doubts(), *_other_images(model, options, fits=score.is_fitted or baselines is not None)],
            *_what_to_try(model, options),
        )
        lines, numbers = report(scored)
        if masks is not None:
            numbers |= {"masks": masks.number, **(found := meter.result())}
            lines += localization_lines(found, masks.number)
        if folder is not None:
            title = f"What is unlike the training images of {printable(options.run_directory)}"
            write_text(folder / PAGE, make_scores_page(scored, title, lines, numbers, gallery))
            write_json(folder / "results.json", numbers)
    print("\n".join(lines if options.out is None else [*lines, str(options.out)]))
    if options.out is None:
        tell("With --out FOLDER: each image's score, a heat map, and a page of all")
    else:
        tell(f"In a browser: {options.out / PAGE}")
    if classes is not None and not normal:
        tell("With --normal-classes NAME,...: how well scores tell the other classes from these")
    return exit_code


def _check(options: argparse.Namespace) -> None:
    check_image_arguments(options)
    if options.fpr is not None and not 0 < options.fpr < 1:
        raise ConfigError(f"--fpr must be between 0 and 1. Received: {options.fpr:g}.")
    for path in (options.calibrate, options.labels):
        if path is not None and not path.exists():
            raise file_error(path, "there is no such file or folder.")
    if options.out is not None:
        check_is_usable(options.out, options.input, overwrite=options.overwrite)
        check_is_writable(options.out)
    elif options.overwrite or options.no_heat_maps or options.save_maps:
        raise ConfigError("--overwrite, --no-heat-maps and --save-maps have no effect without --out.")


def _normal_classes(
    model: TrainedAutoencoder, options: argparse.Namespace, classes: Sequence[str | None] | None
) -> list[str]:
    """The classes that are normal, where that is known and images have classes."""
    if options.normal_classes is None:
        own = model.config.data.classes if options.split is not None and options.labels is None else None
        named = _as_named(own or (), model, classes or ())
        normal = [name for name in named if classes is not None and name in classes]
        # Among normal images alone there is nothing to tell them from.
        return normal if set(normal) != set(classes or ()) else []
    if classes is None:
        raise ConfigError("--normal-classes needs images in class folders, or --labels.")
    normal = _as_named([name.strip() for name in options.normal_classes.split(",")], model, classes)
    check_normal([name or "" for name in classes], normal)
    return normal


def _as_named(wanted: Sequence[int | str], model: TrainedAutoencoder, classes: Collection[str | None]) -> list[str]:
    """Give classes that are given by number the names that the images' classes have."""
    names = CLASS_NAMES.get(model.config.data.source, ())
    named = {str(one): class_name(int(one), names) for one in wanted if str(one).isdecimal()}
    return [named[word] if named.get(word) in classes else word for word in map(str, wanted)]


def _find_threshold(
    model: TrainedAutoencoder,
    sizes: AnySize,
    options: argparse.Namespace,
    score: ImageScore,
    bad: BadImages,
    normal_classes: Sequence[str],
    scored_classes: Sequence[str | None] | None,
    once: Callable[[str], None],
    *,
    is_whole: bool,
) -> tuple[Threshold | None, CalibrationImages]:
    seen = CalibrationImages()
    if options.calibrate is None and options.fpr is None:
        return None, seen
    # The guarantee holds where normal images come to the model as those that are scored: whole, or as in training.
    if options.calibrate is None:
        normal: Inputs = open_split(model, "validation", options.overrides, whole=is_whole, tell=once)
    else:
        normal = open_path(options.calibrate, model, value_range=options.value_range)
        if not is_whole:
            normal = AsTrained(normal, model.image_shape[:2], model.config.data)
        scored = {name for name in scored_classes or () if name}
        named = _as_named([name for name in normal.classes or () if name], model, scored)
        seen = CalibrationImages(named, normal_classes, scored)
    _, scores, _ = _score_all(
        normal, sizes, options, score, bad, "calibrating", lambda index, image, *_: seen.add(image)
    )
    if options.calibrate is not None:
        for warning in normal.warnings:
            once(in_options(str(warning)))
        _look_at_training_images(seen, normal, model, options, once, is_whole=is_whole)
    return calibrate(scores, _USUAL_RATE if options.fpr is None else options.fpr), seen


def _look_at_training_images(
    seen: CalibrationImages,
    normal: Inputs,
    model: TrainedAutoencoder,
    options: argparse.Namespace,
    once: Callable[[str], None],
    *,
    is_whole: bool,
) -> None:
    """Find calibration images that were trained on, where training images are still there."""
    try:
        trained = open_split(model, "train", options.overrides, whole=is_whole, tell=once)
        number = len(trained.names)
        with progress_bar("comparing with training images", "image") as show:
            if are_comparable(trained.stored, normal.stored):  # cheap, whatever their number
                (shared,) = find_shared(trained.stored, [(normal.stored, np.arange(len(normal.stored)))], show)
                seen.note_trained(len(shared), number, number)
            else:
                chosen = spread_over(number, _MOST_COMPARED)
                seen.note_trained(seen.count(_read(trained, chosen, show)), len(chosen), number)
    except (UserError, ValueError) as error:  # they have gone
        tell(f"Whether images to find the threshold with were trained on is not known: {error}")


def _read(inputs: Inputs, indices: np.ndarray, show: Progress) -> Iterator[np.ndarray]:
    for done, index in enumerate(indices):
        show(done, len(indices))
        with contextlib.suppress(BadImageError):
            yield inputs.read(int(index))


def _find_baselines(
    model: TrainedAutoencoder, options: argparse.Namespace, once: Callable[[str], None], *, is_whole: bool
) -> PixelBaselines | None:
    """Fit on the run's training images what scores have to beat; None where they are not there any more."""
    try:
        inputs = open_split(model, "train", options.overrides, whole=is_whole, most=MOST_IMAGES, tell=once)
        groups = read_groups(inputs, lambda size: _PIXEL_BATCH, lambda name, reason: None)
        return PixelBaselines((group.pixels for group in groups), model.image_shape[:2])
    except (UserError, ValueError) as error:  # they have gone, or none of them can be read
        tell(f"Nothing to compare the AUROC with, which needs the run's training images: {error}")
        return None


def _other_images(model: TrainedAutoencoder, options: argparse.Namespace, *, fits: bool) -> list[RunWarning]:
    finds_threshold = options.fpr is not None and options.calibrate is None
    used = [*([options.split] if options.split else []), *(["validation"] if finds_threshold else [])]
    return doubts_of_own_images(model, options.overrides, used, fits=fits)


def _what_to_try(model: TrainedAutoencoder, options: argparse.Namespace) -> tuple[str, str]:
    """The command that scores the same images again, and the one that trains for anomalies on the run's data.

    The second is empty where the run was trained so already: with a small code, on noisy images.
    """
    data = model.config.data
    run = str(options.run_directory)
    again = ["python", "-m", "cae", "score", run]
    again += [str(options.input)] if options.split is None else ["--split", options.split]
    for name in ("array", "labels", "normal_classes"):
        if (value := getattr(options, name)) is not None:
            again += [f"--{name.replace('_', '-')}", str(value)]
    recipe = ["python", "train.py", "configs/anomaly_surfaces.yaml", f"data.path={data.path}"]
    if data.source != "image_folder":
        recipe = ["python", "train.py", f"{run}/config.yaml", "name=denoising", *_DENOISING]
    is_one = model.config.model.bottleneck.kind != "none" and model.config.objective.corruption.kind != "none"
    return shlex.join(again), "" if is_one else shlex.join(recipe)


def _find_masks(
    model: TrainedAutoencoder,
    options: argparse.Namespace,
    inputs: Inputs,
    classes: Sequence[str | None] | None,
    normal: Sequence[str],
) -> Masks | None:
    """The masks that were named, or that lie beside the test images."""
    section = load_config(model._directory.config, options.overrides).data
    images = options.input
    if options.split == "test" and isinstance(section, ImageFolderData):
        images = Path(section.test_path) if section.test_path else Path(section.path or "") / "test"
    folder = options.masks or (find_masks(images) if images is not None else None)
    if folder is None:
        return None
    is_fitted = options.split is not None or isinstance(inputs, AsTrained)
    fit = functools.partial(fit_as_trained, size=model.image_shape[:2], section=section) if is_fitted else None
    try:
        return Masks(folder, inputs.names, classes, normal, fit)
    except UserError as error:
        if options.masks is not None:
            raise
        tell(f"The masks beside the images are not used: {error}")
        return None


Pair = tuple[np.ndarray, np.ndarray]
# Is shown the index of an image, the image, how the model saw it and its reconstruction, both and the error map at the
# size the model worked at, and its score.
Keep = Callable[[int, np.ndarray, Pair, np.ndarray, float], None]


def _score_all(
    inputs: Inputs,
    sizes: AnySize,
    options: argparse.Namespace,
    score: ImageScore,
    bad: BadImages,
    what: str,
    keep: Keep,
    baselines: PixelBaselines | None = None,
) -> tuple[list[int], np.ndarray, dict[str, np.ndarray]]:
    """Score all images; gives the indices of those that could be read, their scores, and those of the baselines."""
    indices: list[int] = []
    scores: list[float] = []
    others: dict[str, list[float]] = {}
    with progress_bar(what, "image" if len(inputs.names) > 1 else "tile") as show:
        for compared in compare_all(inputs, sizes, way_of(options), on_bad=bad, tell=tell, progress=show):
            found = score.of(compared.seen, compared.reconstructions).tolist()
            indices += compared.indices
            scores += found
            for name, theirs in (baselines.score(compared.images) if baselines else {}).items():
                others.setdefault(name, []).extend(theirs.tolist())
            for place, index in enumerate(compared.indices):
                seen = compared.seen[place], compared.reconstructions[place]
                keep(index, compared.images[place], seen, error_map(*seen), found[place])
    return indices, np.array(scores), {name: np.array(theirs) for name, theirs in others.items()}


@contextlib.contextmanager
def _writing(
    folder: Path | None,
    options: argparse.Namespace,
    inputs: Inputs,
    classes: Sequence[str | None] | None,
    threshold: Threshold | None,
) -> Iterator[Keep]:
    """Give what keeps each image's score and heat map in a folder, if there is one."""
    if folder is None:
        yield lambda *_: None
        return
    pictures = OutputFolder(folder / HEAT_MAPS, inputs.names)
    columns = ["file", *(["class"] if classes else []), "score", *(["anomalous"] if threshold else [])]
    with writing_table(folder / "scores.csv", columns) as write_row:

        def keep(index: int, image: np.ndarray, seen: Pair, errors: np.ndarray, score: float) -> None:
            named = [table_cell(classes[index] or "")] if classes else []
            told = [int(score > threshold.value)] if threshold else []
            write_row([table_cell(inputs.names[index]), *named, repr(score), *told])
            if not options.no_heat_maps:
                pictures.save(index, color_errors(errors, image.shape[:2]))
            if options.save_maps:
                path = (folder / MAPS / pictures.files[index]).with_suffix(".npy")
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, at_size(errors, image.shape[:2]))

        yield keep
