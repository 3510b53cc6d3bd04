"""Whether runs were given the same images, divided alike and in the same order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cae.comparison.contenders import leaves_of
from cae.comparison.fairness_report import FairnessReport, listed_runs
from cae.config.data import PATH_KEYS

if TYPE_CHECKING:
    from cae.comparison.contenders import Group, RunRecord
    from cae.config.run import RunConfig


def tell_images(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Compare the images themselves, how they were divided, and those shown while training.

    A run that wrote no numbers of images down, as a killed one, counts neither as equal nor as different in them.
    """
    sizes = terms.runs_by(groups, _sizes_in_words)
    unknown = sizes.pop(None, [])
    are_the_same = _tell_sets(groups, terms)
    if len(sizes) > 1:
        by_size = "; ".join(f"{words} ({listed_runs(names)})" for words, names in sizes.items())
        terms.unequal.append(f"Data: the parts of the data set differ in size: {by_size}.")
        terms.warnings.append("Runs were trained on different numbers of images; who had more had an advantage.")
    if are_the_same and len(sizes) <= 1:
        numbers = f": {next(iter(sizes))}" if sizes else ""
        missing = f"; {listed_runs(unknown)} wrote no numbers of images down" if unknown else ""
        follows = f"the same images in all runs, prepared alike and divided alike{numbers}{missing}"
    else:
        follows = "prepared alike in all runs"
    terms.compare(groups, "Data", _preparation, follows)
    _tell_probe_images(groups, terms, are_the_same)


def tell_order(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Compare what the order of training images depends on besides the seed: batches, augmentation, their number."""
    also = []
    numbers = terms.runs_by(groups, lambda run: _number(run, "train"))
    numbers.pop(None, None)
    if len(numbers) > 1:
        by_number = "; ".join(f"{number:,} for {listed_runs(names)}" for number, names in numbers.items())
        also.append(f"it depends on the number of training images, which is {by_number}")
    elif len(_sets(groups)) > 1:
        also.append("runs were given other images")
    terms.compare(
        groups,
        "Order of the images",
        lambda config: {"batch_size": config.training.batch_size, **leaves_of(config.data.augmentation)},
        "under one seed every contender was given the same images in the same order, changed alike",
        also,
    )


def _tell_sets(groups: Sequence[Group], terms: FairnessReport) -> bool:
    """Whether all were trained on the same images; where not, which runs on which."""
    runs = terms.runs_by(groups, lambda run: run.training_images)
    if len(runs) == 1:
        return True
    by_set = "; ".join(f"{number} is that of {listed_runs(runs[number])}" for number in sorted(runs))
    terms.unequal.append(f"Data: runs had different images for training and validation: {by_set}.")
    terms.warnings.append(
        "Runs were trained or validated on different images; that may be all that makes a difference."
    )
    return False


def _tell_probe_images(groups: Sequence[Group], terms: FairnessReport, are_the_same: bool) -> None:
    runs = [run for group in groups for run in group.runs]
    shown = {run.config.logging.probe_images for run in runs}
    fractions = {run.config.data.validation_fraction for run in runs}
    numbers = {_number(run, "validation") for run in runs} - {None}
    if are_the_same and len(shown) == len(fractions) == 1 and len(numbers) <= 1:
        terms.equal.append(f"Probe images: the same {shown.pop()} validation images in every run's TensorBoard.")
    else:
        terms.unequal.append("Probe images: runs show different ones in TensorBoard, or different numbers of them.")


def _preparation(config: RunConfig) -> dict[str, Any]:
    """What is done to the images; where they lie is no part of it, since pixels are compared."""
    without = (*PATH_KEYS, "cache")
    return {key: value for key, value in leaves_of(config.data).items() if key not in without}


def _sets(groups: Sequence[Group]) -> set[int]:
    return {run.training_images for group in groups for run in group.runs}


def _sizes_in_words(run: RunRecord) -> str | None:
    images: Mapping[str, int] | None = run.summary.get("images")
    if images is None:
        return None
    return f"{images['train']:,} for training, {images['validation']:,} for validation, {images['test']:,} for test"


def _number(run: RunRecord, part: str) -> int | None:
    number: int | None = (run.summary.get("images") or {}).get(part)
    return number
