"""One run's evaluation: measured beside its baselines and controls, or read back where that was done already."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.config.objective import KerasLoss, NoCorruption
from cae.errors import NonFiniteOutputError, RunWarning, UserError, as_json
from cae.evaluation.ablations import in_words, measure_ablations
from cae.evaluation.bits import BitMeter, bits_in_words
from cae.evaluation.evaluation_set import digest_evaluation
from cae.evaluation.files import Evaluation, read_evaluation, write_evaluation
from cae.evaluation.measure import Change, Measured, Measurer, read_floats, unchanged
from cae.files import printable
from cae.measures.catalogue import is_metric, metric, metrics_of
from cae.measures.meter import ArtefactMeter
from cae.measures.per_image import PSNR_CAP
from cae.measures.stages import stage_unevenness
from cae.measures.verdict import below_floor, make_verdict
from cae.messages import number_of
from cae.pictures import best_median_worst
from cae.runs import check_is_writable
from cae.runs.events import replace_events
from cae.runs.images import warn_of_other_images
from cae.runs.probe_images import FIGURES, SimpleCode, simple_codes_summary
from cae.training.objective import objective_to_measure
from cae.training.summary import Spread, below_mean_image

if TYPE_CHECKING:
    from cae.config import RunConfig
    from cae.data.image_set import ImageSet
    from cae.evaluation.evaluation_set import EvaluationSet
    from cae.runs import RunDirectory
    from cae.runs.trained import TrainedRun

# What training found on its validation images is found again on those of the evaluation.
_MEASURED_HERE = ("output_constant", "below_mean_image", "below_floor")
# Lines that `evaluate_run` tells, each of a part that takes a while.
PARTS = 5
# Images in each block of reconstructions.png.
SHOWN = 8
# Bytes of reconstructions that are kept until the best and the worst are known; of more, these are made again.
_MOST_KEPT = 2**26


def evaluate_run(trained: TrainedRun, measured_on: EvaluationSet, out: Path, tell: Callable[[str], None]) -> Evaluation:
    """Measure a run on one split beside its baselines, and write the files.

    Inputs are corrupted as in validation when the run was trained so; `clean_inputs` then has the metrics without.

    Args:
        trained: the run.
        measured_on: the images.
        out: folder for the files.
        tell: shows what is being done.

    Returns:
        What the files hold.
    """
    images = measured_on.images
    measurer = make_measurer(trained)
    corruption = trained.config.objective.corruption
    tell(f"{trained.directory.path}: measuring {number_of(len(images), f'{measured_on.split} image')}")
    meter, spread, bit_meter = ArtefactMeter(), Spread(), BitMeter(trained.plan)
    keeps, kept = 4 * len(images) * math.prod(images.image_shape) <= _MOST_KEPT, list[np.ndarray]()

    def watch(batch: np.ndarray, reconstructions: np.ndarray, latent: np.ndarray, switches: list[np.ndarray]) -> None:
        meter.add(batch, reconstructions)
        spread.add(batch, reconstructions)
        bit_meter.add(latent, switches)
        if keeps:
            kept.append(reconstructions)

    measured = measurer.measure(images, watch)
    _check_is_finite(trained.directory, measured, images)
    tell(f"{trained.directory.path}: measuring what each part of the model adds (ablations)")
    ablations = measure_ablations(trained, objective_to_measure(trained.config.objective), corruption, images)
    tell(f"{trained.directory.path}: fitting what it has to beat: PCA, resizing, the mean image")
    baselines = measured_on.baselines(trained.plan.code.values, trained.config.training.images_at_once)
    tell(f"{trained.directory.path}: fitting floors: linear codes of the same size")
    floors = measured_on.floors(trained.plan.latent_shape, trained.config.training.images_at_once)
    means = measured.means()
    mse = means["mse"]
    tell(f"{trained.directory.path}: measuring how many bits its code needs")
    bits = bit_meter.measure(lambda change: make_measurer(trained, change=change), images, means["psnr"])
    clean = means if corruption.kind == "none" else make_measurer(trained, on_clean_inputs=True).measure(images).means()
    num_training = len(measured_on.splits.train)
    verdict = make_verdict(clean["psnr"], {**floors, **baselines}, trained.plan, trained.config, num_training)
    warnings = [
        *_warnings(trained.directory, trained.config, measured_on),
        *spread.doubts(),
        *below_mean_image(mse, baselines["mean_image"]["mse"]),
        *below_floor(clean["psnr"], floors, trained.config, trained.plan, num_training),
    ]
    results: dict[str, Any] = {
        "images": len(images),
        "split": measured_on.split,
        **means,
        "psnr_note": f"mean over images of each image's PSNR, identical images capped at {PSNR_CAP:g} dB",
        "code": trained.plan.code.as_dict(),
        "parameters": trained.plan.parameters,
        "macs_per_image": trained.plan.macs,
        "artefacts": {**meter.result(), "layers": _finite(stage_unevenness(trained.autoencoder))},
        "bits": bits,
        "bits_in_words": bits_in_words(bits),
        "ablations": ablations,
        "ablations_in_words": in_words(mse, ablations, trained.plan.code.switch_bits),
        "baselines": baselines,
        "floors": floors,
        "verdict": verdict,
        "warnings": as_json(warnings),
        "digest": _digest(trained.weights_digest, trained.config, measured_on, trained.directory),
    }
    loss = trained.config.objective.loss
    if isinstance(loss, KerasLoss) and loss.custom:
        results["loss_note"] = f"{loss.class_name}; where it is not handed over, the mean squared error"
    if corruption.kind != "none":
        results["corruption"] = corruption.model_dump(mode="json")
        results["baselines_note"] = "the baselines and floors are given clean images, as the verdict's model is"
        results["clean_inputs"] = clean
    names = [one.name for one in metrics_of(images.image_shape)]
    per_image = {name: measured.per_image[name].astype(np.float64) for name in names}
    evaluation = Evaluation(results, per_image, meter.residual_spectrum_db(), np.concatenate(kept) if keeps else None)
    write_evaluation(out, evaluation, images.names, _picture(images, measured, measurer, evaluation.reconstructions))
    if out == trained.directory.evaluation:
        _show_simple_codes(trained, measured_on, {**baselines, **floors})
    return evaluation


def _show_simple_codes(trained: TrainedRun, measured_on: EvaluationSet, measured: dict[str, dict[str, Any]]) -> None:
    """Let the tab in TensorBoard show what baselines and floors make of the probe images, where it can be written."""
    try:
        check_is_writable(trained.directory.path)
    except UserError:
        return
    codes, shown = [], measured_on.pictures(trained.plan.code.values, trained.plan.latent_shape)
    for name, pictures in shown.items():
        means = {key: value for key, value in measured[name].items() if is_metric(key)}
        figures = {one: metric(one).per_image(measured_on.probes, pictures).tolist() for one in FIGURES}
        codes.append(SimpleCode(name, measured[name]["values"], measured_on.split, means, figures))
    replace_events(trained.directory.path, ".baselines", [(0, simple_codes_summary(codes, list(shown.values())))])


def find_evaluation(
    directory: RunDirectory, config: RunConfig, measured_on: EvaluationSet, out: Path
) -> Evaluation | None:
    """Read back what `evaluate_run` has written, if it would write the same again; else None.

    Args:
        directory: the run's.
        config: the run's.
        measured_on: the images.
        out: folder of the files.
    """
    if not (out / "results.json").exists():
        return None  # The fingerprint takes a look at every image.
    digest = _digest(directory.digest_weights(), config, measured_on, directory)
    return read_evaluation(out, digest, measured_on.images.image_shape)


def make_measurer(trained: TrainedRun, *, on_clean_inputs: bool = False, change: Change = unchanged) -> Measurer:
    """Measures a run as it was trained: its objective, its batch size and, by default, its corruption."""
    compiled, key = trained.autoencoder.compiled, ("measurer", on_clean_inputs)
    if change is unchanged and key in compiled:
        found: Measurer = compiled[key]
        return found
    section, batch_size = trained.config.objective, trained.config.training.images_at_once
    corruption = NoCorruption() if on_clean_inputs else section.corruption
    measurer = Measurer(trained.autoencoder, objective_to_measure(section), corruption, batch_size, change)
    if change is unchanged:
        compiled[key] = measurer
    return measurer


def _warnings(directory: RunDirectory, config: RunConfig, measured_on: EvaluationSet) -> list[RunWarning]:
    """What makes the run and its images doubtful; what is measured here anew is left out."""
    of_the_run = [warning for warning in directory.read_warnings() if warning.code not in _MEASURED_HERE]
    return [*of_the_run, *measured_on.splits.warnings, *_other_images(directory, config, measured_on)]


def _other_images(directory: RunDirectory, config: RunConfig, measured_on: EvaluationSet) -> list[RunWarning]:
    return warn_of_other_images(directory, measured_on.splits, config.data, [measured_on.split])


def _check_is_finite(directory: RunDirectory, measured: Measured, images: ImageSet) -> None:
    # The loss is that of reconstructions before they are kept within [0, 1], which makes 1 of infinity.
    finite = np.logical_and.reduce([np.isfinite(values) for values in measured.per_image.values()])
    if not finite.all():
        index = int(np.argmin(finite))
        error = NonFiniteOutputError(printable(str(directory.path)), "the reconstruction of", index)
        raise error.named(printable(images.names[index]))


def _digest(weights: str, config: RunConfig, measured_on: EvaluationSet, directory: RunDirectory) -> str:
    # Warnings of the run, and of its images, stand in its results.
    doubts = [*directory.read_warnings(), *_other_images(directory, config, measured_on)]
    images = f"{measured_on.split} {measured_on.digest} {doubts}"
    return digest_evaluation(weights, config, images, len(measured_on.splits.train))


def _finite(value: Any) -> Any:
    """JSON has no infinity: a ratio to a mean of zero becomes null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _picture(images: ImageSet, measured: Measured, measurer: Measurer, kept: np.ndarray | None) -> np.ndarray:
    def reconstruct(chosen: list[int]) -> tuple[np.ndarray, np.ndarray]:
        return measurer.reconstruct(images, chosen) if kept is None else (read_floats(images, chosen), kept[chosen])

    psnr = measured.per_image["psnr"]
    return best_median_worst(
        {title: (*reconstruct(chosen), psnr[chosen]) for title, chosen in measured.chosen(SHOWN).items()}
    )
