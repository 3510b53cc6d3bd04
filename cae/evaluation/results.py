"""The files of one run's evaluation: results.json, per_image.csv, reconstructions.png."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.artefacts import ArtefactMeter, stage_unevenness
from cae.atomic_files import replacing, write_json
from cae.config.objective import NoCorruption
from cae.data.file_errors import printable
from cae.data.pipeline import make_batches
from cae.evaluation.ablations import in_words, measure_ablations
from cae.evaluation.baselines import measure_baselines
from cae.evaluation.measure import METRICS, Measured, Measurer
from cae.metrics import PSNR_CAP
from cae.pictures import best_median_worst, save_png
from cae.training.objective import Objective

if TYPE_CHECKING:
    from cae.data.image_set import ImageSet
    from cae.runs.trained import TrainedRun

# Images in each block of reconstructions.png.
SHOWN = 8


def evaluate_run(trained: TrainedRun, split: str, out: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure a run on one split beside its baselines, and write the files.

    Inputs are corrupted as in validation when the run was trained so; `clean_inputs` then has the metrics without.

    Args:
        trained: the run.
        split: `test`, `validation` or `train`.
        out: folder for the files.
        tell: shows what is being done.

    Returns:
        The content of results.json.
    """
    images: ImageSet = getattr(trained.splits, split)
    batch_size = trained.config.training.batch_size
    corruption = trained.config.objective.corruption
    objective = Objective(trained.config.objective)
    measurer = Measurer(trained.autoencoder, objective, corruption, batch_size)
    tell(f"{trained.directory.path}: measuring {len(images):,} {split} images")
    meter = ArtefactMeter()
    measured = measurer.measure(images, meter.add)
    tell(f"{trained.directory.path}: measuring ablations and baselines")
    ablations = measure_ablations(trained, objective, corruption, images)
    results: dict[str, Any] = {
        "images": len(images),
        "split": split,
        **measured.means(),
        "psnr_note": f"mean over images of each image's PSNR, identical images capped at {PSNR_CAP:g} dB",
        "code": trained.plan.code.as_dict(),
        "parameters": trained.plan.parameters,
        "macs_per_image": trained.plan.macs,
        "artefacts": {**meter.result(), "layers": _finite(stage_unevenness(trained.autoencoder))},
        "ablations": ablations,
        "ablations_in_words": in_words(measured.means()["mse"], ablations, trained.plan.code.switch_bits),
        "baselines": measure_baselines(
            _stream(trained.splits.train, batch_size), _stream(images, batch_size), trained.plan.code.values
        ),
    }
    if corruption.kind != "none":
        results["corruption"] = corruption.model_dump(mode="json")
        results["baselines_note"] = "the baselines are given clean images"
        clean = Measurer(trained.autoencoder, objective, NoCorruption(), batch_size)
        results["clean_inputs"] = clean.measure(images).means()
    _write_files(out, images, measured, measurer, results)
    return results


def _finite(value: Any) -> Any:
    """JSON has no infinity: a ratio to a mean of zero becomes null."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None


def _stream(images: ImageSet, batch_size: int) -> Callable[[], Iterator[np.ndarray]]:
    return lambda: (batch.numpy() for batch in make_batches(images, batch_size))


def _write_files(out: Path, images: ImageSet, measured: Measured, measurer: Measurer, results: dict[str, Any]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_per_image(out / "per_image.csv", images.names, measured)
    save_png(_picture(images, measured, measurer), out / "reconstructions.png")
    # Last: whoever sees results.json finds the other files in place.
    write_json(out / "results.json", results)


def write_per_image(path: Path, names: Any, measured: Measured) -> None:
    """One row for each image: its index or file, and its metrics."""
    with (
        replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        rows = csv.writer(file)
        rows.writerow(["image", *METRICS])
        columns = [measured.per_image[name] for name in METRICS]
        for name, *values in zip(names, *columns, strict=True):
            rows.writerow([printable(name), *(repr(float(value)) for value in values)])


def _picture(images: ImageSet, measured: Measured, measurer: Measurer) -> np.ndarray:
    psnr = measured.per_image["psnr"]
    blocks = {
        title: (*measurer.reconstruct(images, indices), psnr[indices])
        for title, indices in measured.chosen(SHOWN).items()
    }
    return best_median_worst(blocks)
