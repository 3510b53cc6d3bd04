"""The whole program: an epoch with everything on, the start, and memory.

    python -m benchmarks.program --json OUT [--quick] [--data FOLDER] [--parts ...]

`--data` is a folder with the complete Fashion-MNIST as IDX files; without it, random pictures of the same number and
shape are trained on.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.children import ROOT, Child
from benchmarks.contestants.first_step import DONE
from benchmarks.pictures import make_pictures, write_jpegs
from benchmarks.processes import run
from benchmarks.record import Measurement, count_repetitions, make_parser, save, tell
from benchmarks.timing import take_turns

_EXAMPLE = ROOT / "benchmarks" / "fashion_mnist_keras_example.yaml"
_ALL_LOGGING = ["logging.histograms=true", "logging.image_epochs=1"]
_BYTES = 2**20


def main() -> int:
    """Measure the parts that the options ask for."""
    parser = make_parser(__doc__, repetitions=3)
    parts: dict[str, Callable[[Path, bool, int, list[str]], list[Measurement]]] = {
        "epoch": measure_epoch,
        "start": measure_start,
        "images": measure_memory_of_images,
        "batch": measure_memory_of_batches,
    }
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="the complete Fashion-MNIST as IDX files")
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts), metavar="PART", help=", ".join(parts))
    options = parser.parse_args()
    measurements = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        data = _data_overrides(options.data, Path(name), options.quick)
        for part in options.parts:
            for measurement in parts[part](Path(name), options.quick, count_repetitions(options), data):
                tell(measurement)
                measurements.append(measurement)
    return save("program", options, measurements)


def measure_epoch(folder: Path, quick: bool, repetitions: int, data: list[str]) -> list[Measurement]:
    """An epoch of the program with validation, pictures, histograms and checkpoint, beside its bare step and Keras."""
    epochs = 3
    overrides = [*data, *_ALL_LOGGING, f"training.epochs={epochs}"]
    settings = [f"--set={override}" for override in overrides]

    def train() -> dict[str, float]:
        finished = run("train.py", _EXAMPLE, *settings, "--overwrite", "--runs-dir", folder / "runs")
        # The first epoch traces and compiles; Keras' does, too.
        return {"program": statistics.fmean(finished.seconds_between("epoch "))}

    def fit() -> dict[str, float]:
        finished = run("-m", "benchmarks.contestants.keras_example", _EXAMPLE, str(epochs), *data)
        return {"keras": statistics.fmean(finished.seconds_between("epoch "))}

    with Child("benchmarks.contestants.bare_config", config=str(_EXAMPLE), overrides=overrides) as bare:
        images = bare.ask("count_images")
        bare.ask("take_epoch")
        found = take_turns([lambda: {"bare": bare.ask("take_epoch")}, train, fit], repetitions)
    rates = {"cae": [images / seconds for seconds in found["program"]], "bare step": found["bare"]}
    seconds = {"cae": found["program"], "keras fit": found["keras"]}
    facts = {"images": images}
    return [
        Measurement({"part": "all logging against the bare step"}, "images/s", rates, facts=facts),
        Measurement({"part": "whole epoch"}, "s", seconds, more_is_better=False, facts=facts),
    ]


def measure_start(folder: Path, quick: bool, repetitions: int, data: list[str]) -> list[Measurement]:
    """Seconds until commands answer and until the first step is done, beside importing TensorFlow and Keras."""
    wrong = folder / "wrong.yaml"
    wrong.write_text("model: {encoder: {filtres: [8]}}\n", encoding="utf-8")
    config = ROOT / "configs" / "quickstart.yaml"
    runs = ["--overwrite", "--runs-dir", str(folder / "runs")]
    measures: list[Callable[[], dict[str, float]]] = [
        lambda: {"nothing": run("-c", "").seconds},
        lambda: {"--help": run("-m", "cae", "--help").seconds},
        lambda: {"config error": run("train.py", wrong, expected_code=2).seconds},
        lambda: {"describe": run("-m", "cae", "describe", config).seconds},
        lambda: {"cae": run("-m", "benchmarks.contestants.first_step", config, *runs).seconds_until(DONE)},
        lambda: {"import": run("-c", "import tensorflow, keras").seconds},
    ]
    measures.append(lambda: {"tracing": _tracing_seconds(config)})
    found = take_turns(measures, repetitions)
    answers = {name: found[name] for name in ("nothing", "--help", "config error", "describe")}
    start = {
        "cae": found["cae"],
        "import and tracing": [a + b for a, b in zip(found["import"], found["tracing"], strict=True)],
    }
    return [
        Measurement({"part": "answers"}, "s", answers, more_is_better=False),
        Measurement({"part": "first training step"}, "s", start, more_is_better=False),
    ]


def measure_memory_of_images(folder: Path, quick: bool, repetitions: int, data: list[str]) -> list[Measurement]:
    """Peak memory of training for an epoch on few and on ten times as many image files."""
    few, many = (200, 2_000) if quick else (5_000, 50_000)
    small = ["model.encoder.filters=[8, 8]", "training.epochs=1", "data={source: image_folder, path: %s}"]
    peaks: dict[str, list[float]] = {}
    for number in (few, many):
        jpegs = folder / f"jpegs_{number}"
        write_jpegs(jpegs, number, side=32)
        peaks[f"{number:,} files"] = [_peak(folder, [*small[:2], small[2] % jpegs])]
    ratio = peaks[f"{many:,} files"][0] / peaks[f"{few:,} files"][0]
    case = {"part": "memory, streamed folder"}
    return [Measurement(case, "MiB", peaks, more_is_better=False, facts={"ratio": ratio})]


def measure_memory_of_batches(folder: Path, quick: bool, repetitions: int, data: list[str]) -> list[Measurement]:
    """Peak memory of training with batches of several sizes."""
    sizes = (16, 64) if quick else (32, 64, 128, 256, 512)
    pictures = folder / "pictures.npy"
    np.save(pictures, make_pictures(2 * max(sizes), (32, 32, 3)))
    common = [
        f"data={{source: arrays, path: {pictures}}}",
        "model.encoder.filters=[32, 64, 128]",
        "training.epochs=2",
    ]
    peaks = {str(size): [_peak(folder, [*common, f"training.batch_size={size}"])] for size in sizes}
    return [Measurement({"part": "memory, batch size"}, "MiB", peaks, more_is_better=False)]


def _data_overrides(given: Path | None, folder: Path, quick: bool) -> list[str]:
    if given is not None:
        return ["data.source=fashion_mnist", f"data.path={given.resolve()}"]
    pictures = folder / "as_fashion_mnist.npy"
    np.save(pictures, make_pictures(3_000 if quick else 61_000, (28, 28, 1)))
    # As many as Fashion-MNIST for training and validation; a test part is held out, but not measured.
    return [f"data={{source: arrays, path: {pictures}, validation_fraction: 0.02, test_fraction: 0.016}}"]


def _tracing_seconds(config: Path) -> float:
    with Child("benchmarks.contestants.bare_config", config=str(config), overrides=[]) as bare:
        return float(bare.ask("trace"))


def _peak(folder: Path, overrides: list[str]) -> float:
    settings = [f"--set={override}" for override in overrides]
    finished = run("train.py", *settings, "--overwrite", "--runs-dir", folder / "runs")
    return finished.peak_bytes / _BYTES


if __name__ == "__main__":
    sys.exit(main())
