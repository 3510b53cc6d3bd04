"""Train a model for each class or surface, and measure how well scores find what is not normal.

    python -m docs.anomaly.measure fashion_mnist
    python -m docs.anomaly.measure cifar10 FOLDER
    python -m docs.anomaly.measure surfaces FOLDER

FOLDER holds train/CLASS/ and test/CLASS/ of CIFAR-10, or what `python -m docs.anomaly.surfaces` writes. Each writes
docs/anomaly/NAME.json: AUROC of all test images that are not normal against those that are, by normal class and score.
What the file holds already is not measured again: started anew, the command goes on; delete the file to begin afresh.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score
from sklearn.svm import OneClassSVM

import cae
from cae.anomaly.fitted_scores import Seen, fit_score
from cae.anomaly.pixel_baselines import PixelBaselines
from cae.anomaly.scores import score_images
from cae.config.data import CLASS_NAMES
from cae.data.image_set import ImageSet
from cae.data.load import load_splits
from cae.data.pixels import to_float
from cae.inference.inputs import SetInputs

FITTED = ("code_nearest", "place_nearest", "patches", "combined")
SURFACES = ("metal", "wood", "leather", "cloth", "stone")
CONFIGS = Path(__file__).parents[2] / "configs"
_MOST_NORMAL = 1024
# Of 10,000 every fifth is tested. Time with support vectors grows with the square.
_MOST_TESTED, _MOST_SUPPORTED = 2500, 2000


def runs(what: str, folder: str) -> Iterator[tuple[str, str, list[str]]]:
    """The normal class, the configuration, and what is changed in it, of each model."""
    if what == "surfaces":
        for name in SURFACES:
            yield name, "anomaly_surfaces.yaml", [f"data.path={folder}/{name}"]
    elif what == "fashion_mnist":
        for name in CLASS_NAMES["fashion_mnist"]:
            yield name, "anomaly_fashion_mnist.yaml", [f"data.classes=[{name}]"]
    else:
        colour = ["data.source=image_folder", f"data.path={folder}", "data.channels=3", "data.image_size=[32,32]"]
        # There is a sixth of the images.
        for name in sorted(path.name for path in (Path(folder) / "train").iterdir()):
            yield name, "anomaly_fashion_mnist.yaml", [*colour, f"data.classes=[{name}]", "training.epochs=15"]


def measure(name: str, config: str, overrides: list[str], runs_dir: str) -> dict[str, Any]:
    """Train a model and measure its scores, those of pixels, and the seconds of a core that training took."""
    begin = time.process_time()
    trained = cae.train(CONFIGS / config, overrides=[*overrides, "name=normal"], runs_dir=runs_dir, overwrite=True)
    seconds = time.process_time() - begin
    model = trained.load()
    section = model.config.data
    normal = "good" if config == "anomaly_surfaces.yaml" else name
    training = _pixels(load_splits(section).train)
    every = load_splits(section.model_copy(update={"classes": None}))
    tested = every.test.take(np.arange(0, len(every.test), 1 + len(every.test) // _MOST_TESTED))
    images = _pixels(tested)
    is_odd = np.array([one != normal for one in SetInputs(tested, every.class_names).classes or ()])
    if is_odd.all() or not is_odd.any():
        raise SystemExit(f"There must be images of {normal} and others. Classes: {', '.join(every.class_names)}.")
    scores = _scores(model, training, images)
    scores |= PixelBaselines([training], images.shape[1:3]).score(images)
    scores["one_class_svm"] = _one_class_svm(training, images)
    found = {metric: round(float(roc_auc_score(is_odd, values)), 4) for metric, values in scores.items()}
    return {"auroc": found, "tested": len(images), "core_seconds": round(seconds)}


def _scores(model: cae.TrainedAutoencoder, training: np.ndarray, images: np.ndarray) -> dict[str, np.ndarray]:
    """What `model.score` gives, with one pass through the network for all scores."""
    chosen = np.linspace(0, len(training) - 1, min(_MOST_NORMAL, len(training))).astype(np.int64)
    normal, seen = (
        Seen(to_float(one), model.reconstruct(one), model.encode(one)) for one in (training[chosen], images)
    )
    scores = {metric: score_images(seen.images, seen.reconstructions, metric) for metric in ("mse", "top")}
    return scores | {metric: fit_score(metric, normal)(seen) for metric in FITTED}


def _pixels(images: ImageSet) -> np.ndarray:
    return images.read(np.arange(len(images)))


def _one_class_svm(training: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Scores of pixels of small copies, by a one-class support vector machine with a Gaussian kernel."""
    rows, others = (_small(one).reshape(len(one), -1) for one in (training[:_MOST_SUPPORTED], images))
    return np.asarray(-OneClassSVM(gamma="scale", nu=0.1).fit(rows).score_samples(others))


def _small(images: np.ndarray) -> np.ndarray:
    """Means over squares, so that at most 64 pixels a side are left; float32 in [0, 1]."""
    times = -(-max(images.shape[1:3]) // 64)
    number, down, across, channels = images.shape
    cells = images.reshape(number, down // times, times, across // times, times, channels)
    return np.asarray(cells.mean(axis=(2, 4), dtype=np.float32) / (255 if images.dtype == np.uint8 else 1))


def main() -> None:
    """Measure one data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("fashion_mnist", "cifar10", "surfaces"))
    parser.add_argument("folder", nargs="?", default="")
    options = parser.parse_args()
    results = Path(__file__).with_name(f"{options.what}.json")
    found = json.loads(results.read_text()) if results.exists() else {}
    with tempfile.TemporaryDirectory() as runs_dir:
        for name, config, overrides in runs(options.what, options.folder):
            if name not in found:
                found[name] = measure(name, config, overrides, runs_dir)
                results.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
