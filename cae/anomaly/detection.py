"""Detection: which images are unlike the training images, by a threshold with a guarantee, and AUROC on labels."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from cae.anomaly.pixel_baselines import TITLES
from cae.anomaly.scores import METRICS
from cae.atomic_files import table_cell
from cae.data.formats.array_files import NpyFile, is_idx, read_idx
from cae.data.formats.file_kinds import name_kind, read_start
from cae.errors import RunWarning, UserError, as_json
from cae.files import file_error, naming, open_regular, printable, read_bytes, why
from cae.messages import align, number_of


@dataclass(frozen=True)
class Threshold:
    """A score above which an image counts as anomalous.

    Args:
        value: the score.
        false_positive_rate: the chance, at most, that a further normal image lies above it.
        images: how many normal images it was found on.
    """

    value: float
    false_positive_rate: float
    images: int


def calibrate(scores: np.ndarray, false_positive_rate: float) -> Threshold:
    """Find the threshold on normal images that were not trained on.

    It is the k-th smallest of their n scores, k = ceil((n + 1) (1 - rate)). A further image from the same source, in
    whatever order, is as likely to take any of the n + 1 ranks; so the chance that it lies above the k-th is at most
    `rate`, whatever the scores' distribution and however few images there are (split conformal prediction).

    Example:
        >>> calibrate(np.arange(1.0, 100.0), 0.05)
        Threshold(value=95.0, false_positive_rate=0.05, images=99)

    Args:
        scores: of normal images, (n,).
        false_positive_rate: in (0, 1).

    Raises:
        UserError: there are too few images for this rate.

    Source:
        Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", chapter 2; Laxhammar and Falkman
        2010, "Conformal prediction for distribution-independent anomaly detection", section III.
    """
    rate = Fraction(repr(false_positive_rate))  # as it was typed: 100 x 0.99 must not come to 99.00000000000001
    rank = math.ceil((len(scores) + 1) * (1 - rate))
    if rank > len(scores):
        raise UserError(
            f"A false positive rate of {false_positive_rate:g} needs at least {least_images(false_positive_rate):,}"
            f" normal images to calibrate on. Received: {len(scores):,}, which allow a rate of"
            f" {1 / (len(scores) + 1):.2g} or more."
        )
    return Threshold(float(np.sort(scores)[rank - 1]), false_positive_rate, len(scores))


def least_images(false_positive_rate: float) -> int:
    """How many normal images a rate needs at least.

    >>> least_images(0.01), least_images(0.3)
    (99, 3)
    """
    return math.ceil(1 / Fraction(repr(false_positive_rate))) - 1


@dataclass(frozen=True)
class Detection:
    """How well one kind of anomaly is separated from normal images.

    Args:
        images: how many anomalous ones there were.
        auroc: the chance that an anomalous image has a higher score than a normal one, ties counting half.
        average_precision: the mean, over anomalous images, of the share of anomalous ones among all with a score at
            least as high; by chance it is their share in all.
    """

    images: int
    auroc: float
    average_precision: float


def measure_detection(
    scores: np.ndarray, classes: Sequence[str], normal: Collection[str]
) -> tuple[Detection, dict[str, Detection]]:
    """Measure the scores of all anomalous images against normal ones, and those of each other class by itself.

    Example:
        >>> overall, each = measure_detection(np.array([0.1, 0.3, 0.2, 0.9]), ["a", "a", "b", "c"], {"a"})
        >>> overall.auroc, each["b"].auroc, each["c"].auroc
        (0.75, 0.5, 1.0)

    Args:
        scores: of the images, (n,).
        classes: of the images.
        normal: those that are normal.

    Returns:
        Of all anomalous images together, and of each class that is not normal, in order of their names.

    Raises:
        UserError: a normal class does not exist, or there are only normal or only anomalous images.
    """
    check_normal(classes, normal)
    found = np.asarray(classes, np.str_)
    is_normal = np.isin(found, list(normal))
    others = sorted(set(found[~is_normal]), key=_by_number)
    each = {str(name): _measure(scores, is_normal, found == name) for name in others}
    return _measure(scores, is_normal, ~is_normal), each


def check_normal(classes: Collection[str], normal: Collection[str]) -> None:
    """Refuse classes that leave nothing to tell apart.

    Args:
        classes: of the images.
        normal: those that are normal.

    Raises:
        UserError: a normal class does not exist, or every image is normal.
    """
    shown = printable(", ".join(sorted(set(classes))))
    if missing := sorted(set(normal) - set(classes)):
        raise UserError(
            f"Normal classes must be classes of the images: {shown}. Received: {printable(', '.join(missing))}."
        )
    if set(classes) <= set(normal):
        raise UserError(f"There must be images that are not normal to measure detection. Received classes: {shown}.")


def _measure(scores: np.ndarray, is_normal: np.ndarray, is_anomalous: np.ndarray) -> Detection:
    from sklearn.metrics import average_precision_score, roc_auc_score

    used = is_normal | is_anomalous
    truth, found = is_anomalous[used], scores[used]
    return Detection(
        int(is_anomalous.sum()),
        float(roc_auc_score(truth, found)),
        float(average_precision_score(truth, found)),
    )


def _by_number(name: str) -> tuple[int, str]:
    """Labels that are numbers in their order, names behind them in theirs."""
    return (int(name), "") if name.isascii() and name.isdigit() else (2**63, name)


# A million lines.
_TABLE_BYTES = 1 << 28


def read_classes(path: Path, names: Sequence[str]) -> list[str]:
    """Read the class of each image.

    A .csv file has a line `file,label` and then one for each image, in any order: the image's name as `scores.csv`
    gives it, and its class. A .npy file, or an IDX file of uint8, has one whole number for each image, in their order.

    Args:
        path: the file.
        names: of the images.

    Raises:
        UserError: the file is damaged, or an image has no class.
    """
    if path.suffix.lower() == ".csv":
        return _from_table(path, names)
    with naming(path):
        labels = NpyFile(path).load("") if path.suffix.lower() == ".npy" else _from_idx(path)
    if labels.dtype.kind not in "iu" or labels.shape not in ((len(names),), (len(names), 1)):
        raise file_error(
            path,
            f"there must be a whole number for each of the {len(names)} images. Received: {labels.dtype} of shape"
            f" {labels.shape}.",
        )
    return [str(label) for label in labels.reshape(-1)]


def _from_idx(path: Path) -> np.ndarray:
    if not is_idx(path):
        with open_regular(path) as file:
            kind = printable(name_kind(read_start(file)))
        kinds = "a .csv with the columns file and label, whole numbers in a .npy file, or an IDX file of uint8"
        raise file_error(path, f"labels must be in {kinds}. Received: {kind}.")
    return read_idx(path)


def _from_table(path: Path, names: Sequence[str]) -> list[str]:
    text = read_bytes(path, _TABLE_BYTES).decode("utf-8-sig", errors="surrogateescape")
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise file_error(path, f"the first line must name the columns file and label. Received: {rows.fieldnames}.")
        found = {row["file"]: row["label"] for row in rows}
    except csv.Error as error:
        raise file_error(path, f"cannot be read: {why(error)}") from error
    # As `scores.csv` has them, or as they are.
    labels = [found.get(table_cell(name)) or found.get(printable(name)) or found.get(name) for name in names]
    missing = [name for name, label in zip(names, labels, strict=True) if not label]
    if missing:
        raise _missing_error(path, missing, len(names))
    return [label.removeprefix("'") if label == table_cell(label[1:]) else label for label in labels if label]


def _missing_error(path: Path, missing: Sequence[str], total: int) -> UserError:
    shown = ", ".join(map(printable, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return file_error(
        path, f"there must be a label for each image. Received none for {len(missing)} of {total}: {shown}."
    )


_SHOWN_IMAGES = 5
# An AUROC below this is hardly better than chance, and one from this on leaves little to be found.
_CHANCE, _EASY = 0.6, 0.99


@dataclass(frozen=True)
class Scored:
    """Images with their scores.

    Args:
        names: of the images.
        scores: float64, (images,).
        metric: what they are, one of `cae.anomaly.METRICS`.
        classes: of the images, or None.
        threshold: above which an image counts as anomalous, or None.
        normal: the classes that are normal, or none.
        baselines: scores of the same images that need no model, by the names in `cae.anomaly.pixel_baselines.TITLES`.
        doubts: what speaks against the threshold, or against the images that scores are fitted to.
        again: the command that scored them, without `--metric`.
        recipe: the command that trains a model for anomalies on the same data; empty where the run is one.
    """

    names: Sequence[str]
    scores: np.ndarray
    metric: str
    classes: Sequence[str] | None = None
    threshold: Threshold | None = None
    normal: Collection[str] = ()
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)
    doubts: Sequence[RunWarning] = ()
    again: str = "python -m cae score RUN INPUT"
    recipe: str = "python train.py configs/anomaly_surfaces.yaml data.path=FOLDER"


def report(scored: Scored) -> tuple[list[str], dict[str, Any]]:
    """Say what was found: the range, what lies above the threshold, how well classes were separated.

    Example:
        >>> lines, numbers = report(Scored(["a.png", "b.png"], np.array([0.5, 0.25]), "mse"))
        >>> print(lines[0])
        2 images, mse from 0.25 to 0.5
        >>> numbers["images"], numbers["mean_score"]
        (2, 0.375)

    Returns:
        Lines, and the content of results.json.

    Raises:
        UserError: labels do not fit what is normal, as `measure_detection` says.
    """
    scores = scored.scores
    lines = [f"{number_of(len(scores), 'image')}, {scored.metric} from {scores.min():.4g} to {scores.max():.4g}"]
    numbers: dict[str, Any] = {"images": len(scores), "metric": scored.metric, "mean_score": float(scores.mean())}
    is_normal = None
    if scored.normal and scored.classes is not None:
        is_normal = np.isin(np.asarray(scored.classes, np.str_), list(scored.normal))
    if scored.threshold is not None:
        lines += _threshold_in_words(scored, scored.threshold, is_normal)
        numbers["threshold"] = asdict(scored.threshold)
        numbers["above_threshold"] = int((scores > scored.threshold.value).sum())
    lines += map(str, scored.doubts)
    numbers["warnings"] = as_json(scored.doubts)
    if is_normal is not None and scored.classes is not None:
        overall, each = measure_detection(scores, scored.classes, scored.normal)
        baselines = {
            name: measure_detection(found, scored.classes, scored.normal)[0] for name, found in scored.baselines.items()
        }
        doubts = _doubts(scored, overall, baselines)
        lines += [*_detection_table(overall, each, scored.normal, baselines), *map(str, doubts)]
        numbers |= {
            "normal_classes": sorted(scored.normal),
            "normal_images": int(is_normal.sum()),
            **asdict(overall),
            "images": len(scores),
            "anomalous_images": overall.images,
            "classes": {name: asdict(one) for name, one in each.items()},
            "baselines": {name: asdict(one) for name, one in baselines.items()},
            "warnings": as_json([*scored.doubts, *doubts]),
        }
        if scored.threshold is not None:
            above = scores > scored.threshold.value
            numbers |= {
                "false_positive_rate": float(above[is_normal].mean()),
                "true_positive_rate": float(above[~is_normal].mean()),
            }
    else:
        lines += _highest(scored)
    return lines, numbers


def _threshold_in_words(scored: Scored, threshold: Threshold, is_normal: np.ndarray | None) -> list[str]:
    above = scored.scores > threshold.value
    lines = [
        f"threshold {threshold.value:.4g}: at most {100 * threshold.false_positive_rate:.3g}% of further normal images"
        f" are expected above it (found on {number_of(threshold.images, 'normal image')})"
    ]
    if is_normal is None:
        lines.append(f"{number_of(int(above.sum()), 'image')} above it")
    else:
        lines.append(f"above it: {_share(above[is_normal])} normal images, {_share(above[~is_normal])} others")
    return lines


def _doubts(scored: Scored, overall: Detection, baselines: Mapping[str, Detection]) -> list[RunWarning]:
    """Say whether a model finds no more than what needs none, or next to nothing, and what to try."""
    metric, found = scored.metric, []
    other = "another metric" if metric == "combined" else "the combined score"
    again = f"{scored.again} --metric {'place_nearest' if metric == 'combined' else 'combined'}"
    to_try = f"Try {other}: `{again}`."
    if scored.recipe:
        to_try += f" Or train with a small code on noisy images: `{scored.recipe}`."
    better = {name: one.auroc for name, one in baselines.items() if one.auroc >= overall.auroc}
    theirs = ", ".join(f"{TITLES[name]} has {auroc:.4f}" for name, auroc in better.items())
    if better and overall.auroc >= _EASY:
        message = (
            f"{metric} tells anomalous images from normal ones (AUROC {overall.auroc:.4f}), but so does what needs no"
            f" model: {theirs}. These images are too easy to show what a model is good for; try anomalies that are"
            " harder to see."
        )
        found.append(RunWarning("too_easy", message))
    elif better:
        finds = f"{metric} finds no more than what needs no model: its AUROC is {overall.auroc:.4f}, {theirs}."
        found.append(RunWarning("below_pixel_baselines", f"{finds} {to_try}"))
    if overall.auroc < _CHANCE:
        # A distance of codes says nothing of reconstructions.
        alike = "are reconstructed about as well as" if metric in METRICS else "hardly differ from"
        finds = f"by {metric}, anomalous images {alike} normal ones (AUROC {overall.auroc:.4f}; 0.5 is chance)."
        found.append(RunWarning("anomalies_reconstructed", f"{finds} {to_try}"))
    return found


def _detection_table(
    overall: Detection, each: dict[str, Detection], normal: Collection[str], baselines: Mapping[str, Detection]
) -> list[str]:
    rows = {printable(name): one for name, one in each.items()}
    if len(each) > 1:
        rows["all of these"] = overall
    rows |= {f"all by {TITLES[name]}": one for name, one in baselines.items()}
    heads = (f"against normal {', '.join(map(printable, sorted(normal)))}", "images", "AUROC", "average precision")
    cells = [
        (name, f"{one.images:,}", f"{one.auroc:.4f}", f"{one.average_precision:.4f}") for name, one in rows.items()
    ]
    return align([heads, *cells], numbers=(1, 2, 3))


def _highest(scored: Scored) -> list[str]:
    order = np.argsort(-scored.scores, kind="stable")[:_SHOWN_IMAGES]
    shown = ", ".join(f"{printable(scored.names[index])} ({scored.scores[index]:.4g})" for index in order)
    return [f"highest: {shown}"]


def _share(above: np.ndarray) -> str:
    if not len(above):
        return "0 of 0"
    return f"{int(above.sum()):,} of {len(above):,} ({above.mean():.2%})"
