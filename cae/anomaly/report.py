"""What scores tell, in words for people and in numbers for programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from cae.anomaly.detection import Detection, Threshold, measure_detection
from cae.anomaly.pixel_baselines import TITLES
from cae.files import printable
from cae.run_warning import RunWarning, as_json

_SHOWN_IMAGES = 5
# An AUROC below this is hardly better than chance.
_CHANCE = 0.6


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
    """

    names: Sequence[str]
    scores: np.ndarray
    metric: str
    classes: Sequence[str] | None = None
    threshold: Threshold | None = None
    normal: Collection[str] = ()
    baselines: Mapping[str, np.ndarray] = field(default_factory=dict)


def report(scored: Scored) -> tuple[list[str], dict[str, Any]]:
    """Tell what there is to tell: the range, what lies above the threshold, how well classes were told apart.

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
    lines = [f"{_counted(len(scores), 'image')}, {scored.metric} from {scores.min():.4g} to {scores.max():.4g}"]
    numbers: dict[str, Any] = {"images": len(scores), "metric": scored.metric, "mean_score": float(scores.mean())}
    is_normal = None
    if scored.normal and scored.classes is not None:
        is_normal = np.isin(np.asarray(scored.classes, np.str_), list(scored.normal))
    if scored.threshold is not None:
        lines += _threshold_in_words(scored, scored.threshold, is_normal)
        numbers["threshold"] = asdict(scored.threshold)
        numbers["above_threshold"] = int((scores > scored.threshold.value).sum())
    if is_normal is not None and scored.classes is not None:
        overall, each = measure_detection(scores, scored.classes, scored.normal)
        baselines = {
            name: measure_detection(found, scored.classes, scored.normal)[0] for name, found in scored.baselines.items()
        }
        warnings = _doubts(scored.metric, overall, baselines)
        lines += [*_detection_table(overall, each, scored.normal, baselines), *map(str, warnings)]
        numbers |= {
            "normal_classes": sorted(scored.normal),
            "normal_images": int(is_normal.sum()),
            **asdict(overall),
            "images": len(scores),
            "anomalous_images": overall.images,
            "classes": {name: asdict(one) for name, one in each.items()},
            "baselines": {name: asdict(one) for name, one in baselines.items()},
            "warnings": as_json(warnings),
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
        f" are expected above it (found on {_counted(threshold.images, 'normal image')})"
    ]
    if is_normal is None:
        lines.append(f"{_counted(int(above.sum()), 'image')} above it")
    else:
        lines.append(f"above it: {_share(above[is_normal])} normal images, {_share(above[~is_normal])} others")
    return lines


def _doubts(metric: str, overall: Detection, baselines: Mapping[str, Detection]) -> list[RunWarning]:
    """Say whether a model finds no more than what needs none, or next to nothing."""
    found = []
    better = {name: one.auroc for name, one in baselines.items() if one.auroc >= overall.auroc}
    if better:
        theirs = ", ".join(f"{TITLES[name]} has {auroc:.4f}" for name, auroc in better.items())
        found.append(
            RunWarning(
                "below_pixel_baselines",
                f"{metric} is not above what needs no model: its AUROC is {overall.auroc:.4f}, {theirs}. Try another"
                " --metric, a smaller code (model.bottleneck), or training on corrupted images (objective.corruption).",
            )
        )
    if overall.auroc < _CHANCE:
        found.append(
            RunWarning(
                "anomalies_reconstructed",
                f"by {metric}, anomalous images are reconstructed about as well as normal ones (AUROC"
                f" {overall.auroc:.4f}; 0.5 is chance). Try a smaller code (model.bottleneck), or another --metric.",
            )
        )
    return found


def _detection_table(
    overall: Detection, each: dict[str, Detection], normal: Collection[str], baselines: Mapping[str, Detection]
) -> list[str]:
    rows = {printable(name): one for name, one in each.items()}
    if len(each) > 1:
        rows["all of these"] = overall
    rows |= {f"all by {TITLES[name]}": one for name, one in baselines.items()}
    heading = f"against normal {', '.join(map(printable, sorted(normal)))}"
    width = max(len(heading), *map(len, rows))
    lines = [f"{heading:{width}}  {'images':>7}  {'AUROC':>6}  {'average precision':>17}"]
    for name, one in rows.items():
        lines.append(f"{name:{width}}  {one.images:7,}  {one.auroc:6.4f}  {one.average_precision:17.4f}")
    return lines


def _highest(scored: Scored) -> list[str]:
    order = np.argsort(-scored.scores, kind="stable")[:_SHOWN_IMAGES]
    shown = ", ".join(f"{printable(scored.names[index])} ({scored.scores[index]:.4g})" for index in order)
    return [f"highest: {shown}"]


def _share(above: np.ndarray) -> str:
    if not len(above):
        return "0 of 0"
    return f"{int(above.sum()):,} of {len(above):,} ({above.mean():.2%})"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
