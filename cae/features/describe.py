"""What an evaluation says of a run's codes; kept in its results, and measured again when something changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.errors import UserError
from cae.evaluation.baselines import code_image_size
from cae.evaluation.files import Evaluation, write_results
from cae.features.exhibits import names_of_classes, save_exhibits
from cae.features.projector import num_points, thumbnail_size, tint, write_projector
from cae.features.quality import measure_quality, picture_files
from cae.features.representations import Sample, take_sample
from cae.files import printable
from cae.inference.network import Network
from cae.runs import check_is_writable

if TYPE_CHECKING:
    from cae.evaluation.evaluation_set import EvaluationSet
    from cae.runs.trained import TrainedRun

# Of larger images probes see reduced pixels; a colour image of 32x32 is not reduced.
_MOST_PIXEL_VALUES = 3072
MOST_IMAGES = 10_000
# The folder of codes for TensorBoard, in that of an evaluation.
PROJECTOR = "projector"
# How many lines of progress it gives: one for each part that takes a while.
FEATURE_PARTS = 5


def add_features(
    evaluation: Evaluation,
    measured_on: EvaluationSet,
    load: Callable[[], TrainedRun],
    out: Path,
    *,
    wanted: bool | None = None,
    most_images: int,
    tell: Callable[[str], None],
) -> Evaluation:
    """Add `features` to the results of an evaluation, and pictures of codes to its folder.

    Args:
        evaluation: the run's, written in `out`.
        measured_on: its images.
        load: brings the run back; not called where there is nothing to do.
        out: folder of the evaluation.
        wanted: None for images with labels only; True also without, for the pictures; False for none.
        most_images: how many training images probes are fitted on at most, and on how many they are scored.
        tell: shows what is being done.

    Returns:
        The evaluation with `features`, or with a `features_note` that says why there are none; as it was where
        the folder cannot be written.

    Raises:
        UserError: a file cannot be read; or the folder cannot be written, and features are wanted.
        OSError: a file cannot be written.
    """
    reason = reason_against(measured_on)
    note = "" if wanted else reason or ("not asked for" if wanted is False else "")
    digest = "" if note else _digest(evaluation, measured_on, most_images)
    if _is_there(evaluation.results, out, note, digest):
        return evaluation
    try:
        check_is_writable(out)  # an evaluation that was read back may lie in a folder for reading only
    except UserError as error:
        if wanted:
            raise
        if not note:
            tell(f"{error} Nothing is added on its codes.")
        return evaluation
    if note:
        return _with(evaluation, out, features_note=note)
    features = _describe(load(), measured_on, out, most_images, reason, tell)
    return _with(evaluation, out, features={**features, "digest": digest})


def reason_against(measured_on: EvaluationSet) -> str:
    """Why probes make no sense on these images; empty if they do."""
    if measured_on.split == "train":
        return "probes are fitted on the training images; they can be scored on test or validation images only"
    training, measured = measured_on.splits.train.labels, measured_on.images.labels
    if training is None or measured is None:
        return "the images have no labels"
    if len(np.unique(training)) < 2:
        return "all training images are of one class"
    return ""


def add_projector(
    evaluation: Evaluation, measured_on: EvaluationSet, trained: TrainedRun, out: Path, tell: Callable[[str], None]
) -> None:
    """Write the codes of some of the images for TensorBoard's projector, into the folder `PROJECTOR`.

    Args:
        evaluation: the run's.
        measured_on: its images.
        trained: the run.
        out: folder of the evaluation.
        tell: shows what is being done.

    Raises:
        UserError: a file cannot be read, or codes are not finite.
        OSError: a file cannot be written.
    """
    network = Network(trained.autoencoder, printable(str(trained.directory.path)))
    height, width, _ = trained.plan.image_shape
    sample = take_sample(
        network,
        measured_on.images,
        most=num_points(trained.plan.code.values),
        pixel_size=thumbnail_size(height, width),
        batch_size=trained.config.training.images_at_once,
    )
    if not np.isfinite(sample.codes).all():
        raise UserError(f"{trained.directory.path}: --projector: codes are not finite numbers, which have no place.")
    names = measured_on.images.names
    columns, thumbnails = {}, sample.pixels
    if sample.labels is not None:
        # In front: the column that TensorBoard writes beside the points.
        columns["class"] = names_of_classes(sample.labels, measured_on.splits.class_names)
        thumbnails = tint(thumbnails, np.unique(sample.labels, return_inverse=True)[1])
    columns["image"] = [printable(names[position]) for position in sample.positions]
    columns["psnr_db"] = [f"{value:.2f}" for value in evaluation.per_image["psnr"][sample.positions]]
    title = (
        f"Codes of {len(sample.positions):,} of {len(measured_on.images):,} {measured_on.split} images: see Projector."
    )
    tell(f"{trained.directory.path}: writing {len(sample.positions):,} codes for TensorBoard's projector")
    write_projector(out / PROJECTOR, sample.codes, thumbnails, columns, title)


def _describe(
    trained: TrainedRun,
    measured_on: EvaluationSet,
    out: Path,
    most_images: int,
    reason: str,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    tell(f"{trained.directory.path}: encoding images to see what their codes are worth")
    shape = trained.plan.image_shape
    network = Network(trained.autoencoder, printable(str(trained.directory.path)))
    fitted, scored = (
        take_sample(
            network,
            images,
            most=most_images,
            pixel_size=code_image_size(shape, _MOST_PIXEL_VALUES),
            batch_size=trained.config.training.images_at_once,
        )
        for images in (measured_on.splits.train, measured_on.images)
    )
    found: dict[str, Any] = {"fitted_on": len(fitted.images), "scored_on": len(scored.images)}
    if not (np.isfinite(fitted.codes).all() and np.isfinite(scored.codes).all()):
        return {**found, "note": "codes are not finite numbers", "pictures": {}}
    reason = reason or _reason_against_sample(fitted)
    found |= {"note": reason} if reason else measure_quality(fitted, scored, tell)
    tell(f"{trained.directory.path}: drawing neighbours, interpolation and traversal of codes")
    class_names = measured_on.splits.class_names
    return {**found, "pictures": save_exhibits(out, trained.autoencoder, fitted, scored, class_names)}


def _reason_against_sample(fitted: Sample) -> str:
    assert fitted.labels is not None
    return "" if len(np.unique(fitted.labels)) > 1 else "all fitted images are of one class"


def _is_there(results: dict[str, Any], out: Path, note: str, digest: str) -> bool:
    """Whether the note is there, or the features of the digest."""
    if note:  # features of another time are still true
        return "features" in results or results.get("features_note") == note
    features = results.get("features", {})
    return features.get("digest") == digest and all((out / name).exists() for name in picture_files(features))


def _with(evaluation: Evaluation, out: Path, **added: Any) -> Evaluation:
    kept = {key: value for key, value in evaluation.results.items() if not key.startswith("features")}
    changed = replace(evaluation, results={**kept, **added})
    write_results(out, changed)
    return changed


def _digest(evaluation: Evaluation, measured_on: EvaluationSet, most_images: int) -> str:
    """The evaluation's own digest knows of weights, images and program; labels and the number of images come on top."""
    found = hashlib.sha256(json.dumps([evaluation.results["digest"], most_images]).encode())
    for images in (measured_on.splits.train, measured_on.images):
        found.update(b"none" if images.labels is None else np.ascontiguousarray(images.labels, np.int64).tobytes())
    return found.hexdigest()
