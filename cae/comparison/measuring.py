"""Measure every run on the same images, and reconstruct the same images under every contender."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from tqdm import tqdm

from cae.comparison.contenders import Group
from cae.comparison.fairness_report import FairnessReport, listed, listed_runs
from cae.comparison.record import Exhibits
from cae.data.pipeline import user_errors
from cae.errors import UserError
from cae.evaluation.evaluation_set import EvaluationSet, digest_images
from cae.evaluation.files import Evaluation
from cae.evaluation.measure import best_median_worst, read_floats
from cae.evaluation.results import PARTS, evaluate_run, find_evaluation, make_measurer
from cae.files import printable
from cae.messages import counted, counting_lines
from cae.runs import check_is_writable
from cae.runs.page import write_run_page
from cae.runs.trained import TrainedRun, load_trained_run

if TYPE_CHECKING:
    from cae.comparison.contenders import RunRecord
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.model import Autoencoder


def tell_programs(groups: Sequence[Group], terms: FairnessReport) -> None:
    """Compare revisions, versions of packages, and hardware; runs that do not tell of them are passed over."""
    unknown = [terms.name(run) for group in groups for run in group.runs if not run.environment]
    missing = f"; {listed_runs(unknown)} wrote nothing of it down" if unknown else ""
    for name, words_of, same, other in (
        ("Program", _software, "all runs were trained with", "Runs were trained with different programs"),
        ("Hardware", _hardware, "all runs were trained on", "Runs were trained on different hardware"),
    ):
        found = {
            terms.name(run): words_of(run.environment) for group in groups for run in group.runs if run.environment
        }
        alike, different = _compare(found)
        terms.unequal.extend(f"{name}: {sentence}." for sentence in different.values())
        if different:
            verb = "differs" if len(different) == 1 else "differ"
            terms.warnings.append(f"{other} ({listed(list(different))} {verb}): part of a difference may come of that.")
        elif alike:
            terms.equal.append(f"{name}: {same} {', '.join(alike)}{missing}.")


def _compare(found: Mapping[str, Mapping[str, str]]) -> tuple[list[str], dict[str, str]]:
    """What all have in common, and what the others have of each key that is not the same for all.

    Args:
        found: names of runs to keys and values.
    """
    runs: dict[str, dict[str, list[str]]] = {}
    for run, words in found.items():
        for key, value in words.items():
            runs.setdefault(key, {}).setdefault(value, []).append(run)
    same, different = [], {}
    for key, by_value in runs.items():
        if len(by_value) == 1:
            same.append(f"{key} {next(iter(by_value))}")
        else:
            listing = ", ".join(f"{value} for {listed_runs(names)}" for value, names in by_value.items())
            different[key] = f"{key} is {listing}"
    return same, different


def _software(environment: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    if "git_revision" in environment:
        words["revision"] = environment["git_revision"] or "not in a checkout"
    if "python" in environment:
        words["python"] = environment["python"]
    return words | environment.get("packages", {})


def _hardware(environment: Mapping[str, Any]) -> dict[str, str]:
    words = {}
    if "cpu" in environment:
        words["processor"] = environment["cpu"]
    if "cores" in environment:
        words["cores"] = str(environment["cores"])
    if "gpus" in environment:
        words["GPUs"] = ", ".join(environment["gpus"]) or "none"
    return words


# Bytes of reconstructions that are kept from measuring until they are shown, of all runs together.
_MOST_KEPT = 2**28

LoadSplits = Callable[["DataSection"], "Splits"]


class Measuring:
    """The images of all runs, and the measuring of each run on them.

    Args:
        runs: that are compared.
        split: `test`, `validation` or `train`.
        load_splits: how to find the images of a data section.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.

    Raises:
        UserError: runs have other images.
    """

    def __init__(
        self, runs: Sequence[RunRecord], split: str, load_splits: LoadSplits, overrides: Sequence[str]
    ) -> None:
        self._runs = runs
        self._split = split
        self._overrides = overrides
        self._load_splits = cache(load_splits)
        self._sets: dict[DataSection, EvaluationSet] = {}
        self._model: tuple[str, Autoencoder] | None = None
        self._check_images()

    @property
    def images(self) -> EvaluationSet:
        """The images, the same for all runs."""
        return self._set_of(self._runs[0])

    def number_training_images(self, tell: Callable[[str], None]) -> dict[Path, int]:
        """Number the different images that runs were trained and validated on, in the order of the runs, from 1.

        Pixels are read only where data sections differ in more than what is done with the images while training.

        Args:
            tell: shows a line to the user.

        Returns:
            Each run directory's path to its number.

        Raises:
            UserError: a file cannot be read.
        """
        sections = {run.directory.path: _images_of(run.config.data) for run in self._runs}
        if len(set(sections.values())) == 1:
            return dict.fromkeys(sections, 1)
        tell("data sections differ: comparing the images that runs were trained on")
        digests: dict[str, tuple[str, str]] = {}
        for run in self._runs:
            section = sections[run.directory.path]
            if section not in digests:
                splits = self._load_splits(run.config.data)
                digests[section] = digest_images(splits.train), digest_images(splits.validation)
        numbers = {digest: number for number, digest in enumerate(dict.fromkeys(digests.values()), start=1)}
        return {path: numbers[digests[section]] for path, section in sections.items()}

    def measure(
        self,
        metrics: Sequence[str],
        shown: Collection[Path],
        *,
        again: bool,
        tell: Callable[[str], None],
        run_done: Callable[[], None],
    ) -> dict[Path, Evaluation]:
        """Measure each run, or read back what its evaluation folder has.

        Args:
            metrics: that are needed image by image.
            shown: run directories of which reconstructions are needed afterwards; kept where there are few.
            again: measure runs, too, that have been measured already.
            tell: shows a line to the user.
            run_done: counts the runs; see `cae.messages.counting`.

        Returns:
            Each run directory's path to its evaluation, of which only these metrics are kept image by image.

        Raises:
            UserError: the folder of a run that is to be measured cannot be written; no run was measured yet.
        """
        found = {} if again else self._find()
        for run in self._runs:
            if run.directory.path not in found:
                check_is_writable(run.directory.evaluation)
        seconds: list[float] = []
        measured, kept = {}, 0
        for number, run in enumerate(self._runs, start=1):
            path = run.directory.path
            head = f"[{number}/{len(self._runs)}] {run.directory.name}"
            evaluation = found.get(path)
            if evaluation is not None:
                tell(f"{head}: measured already (--again measures it afresh)")
            else:
                num_left = sum(other.directory.path not in found for other in self._runs[number - 1 :])
                tell(f"{head}: measuring, {_time_left(seconds, num_left)}")
                started = time.monotonic()
                evaluation = self._evaluate(run)
                seconds.append(time.monotonic() - started)
            write_run_page(run.directory)
            per_image = {name: evaluation.per_image[name] for name in metrics}
            evaluation = replace(evaluation, per_image=per_image)
            if evaluation.reconstructions is not None:
                kept += evaluation.reconstructions.nbytes * (path in shown)
                if path not in shown or kept > _MOST_KEPT:
                    evaluation = replace(evaluation, reconstructions=None)
            measured[path] = evaluation
            run_done()
        self.forget_model()
        for section in self._sets:
            for name, reason in self._load_splits(section).replaced.items():
                tell(f"{name}: another image was taken in its place: {reason}")
        return measured

    def with_model(self, run: RunRecord, use: Callable[[TrainedRun], Any]) -> Any:
        """Load a run's model, and use it.

        A model, and what was compiled of it, serves all runs that differ in their seeds alone and follow one another;
        its memory is given back before another one is made.
        """
        graph = run.config.model_dump_json(include={"data", "model", "objective", "training"})
        if self._model is not None and self._model[0] != graph:
            self.forget_model()
        like = self._model[1] if self._model else None
        with user_errors():
            trained = load_trained_run(run.directory, self._load_splits, self._overrides, like)
            self._model = graph, trained.autoencoder
            return use(trained)

    def forget_model(self) -> None:
        """Give the memory of the last model back."""
        self._model = None
        keras.backend.clear_session()
        gc.collect()

    def _find(self) -> dict[Path, Evaluation]:
        evaluations = {
            run.directory.path: find_evaluation(run.directory, run.config, self._set_of(run), run.directory.evaluation)
            for run in self._runs
        }
        return {path: evaluation for path, evaluation in evaluations.items() if evaluation is not None}

    def _evaluate(self, run: RunRecord) -> Evaluation:
        measured_on, out = self._set_of(run), run.directory.evaluation
        with counting_lines(lambda _: None, PARTS) as tell:
            evaluation: Evaluation = self.with_model(run, lambda trained: evaluate_run(trained, measured_on, out, tell))
        return evaluation

    def _set_of(self, run: RunRecord) -> EvaluationSet:
        section = run.config.data
        if section not in self._sets:
            probes = run.config.logging.probe_images
            self._sets[section] = EvaluationSet(self._load_splits(section), self._split, probes)
        return self._sets[section]

    def _check_images(self) -> None:
        """Compare pixels where data sections differ: the same images may lie elsewhere, and other ones be as many."""
        first = self._runs[0]
        for run in self._runs[1:]:
            mine, other = self._set_of(first), self._set_of(run)
            if mine is not other and (_in_words(mine) != _in_words(other) or mine.digest != other.digest):
                raise UserError(
                    f"{first.directory.path} and {run.directory.path} cannot be compared: their {self._split} images"
                    f" are not the same ({_in_words(mine)}, and {_in_words(other)})."
                )


def _images_of(section: DataSection) -> str:
    """What a section says of the images themselves."""
    return section.model_dump_json(exclude={"augmentation", "cache", "random_patches"})


def _in_words(images: EvaluationSet) -> str:
    height, width, channels = images.images.image_shape
    return f"{len(images.images):,} of {height}x{width}x{channels}"


def _time_left(seconds: Sequence[float], num_left: int) -> str:
    if not seconds:
        return "time left is known after the first run"
    return f"about {tqdm.format_interval(num_left * sum(seconds) / len(seconds))} left"


# Images in each block.
SHOWN = 4


def make_exhibits(groups: Sequence[Group], measured: Mapping[Path, Evaluation], measuring: Measuring) -> Exhibits:
    """Reconstruct the best, median and worst images with each contender's run of its first seed.

    Args:
        groups: the contenders' runs, the best contender first.
        measured: each run directory's path to its evaluation, with PSNR image by image.
        measuring: has the images and the models.
    """
    psnr = {group.label: [measured[run.directory.path].per_image["psnr"] for run in group.runs] for group in groups}
    # Each contender counts once, however many seeds it has.
    blocks = best_median_worst(np.mean([np.mean(values, axis=0) for values in psnr.values()], axis=0), SHOWN)
    images = measuring.images.images
    indices = [index for chosen in blocks.values() for index in chosen]
    originals = read_floats(images, indices)
    reconstructions = {}

    def reconstruct(trained: TrainedRun) -> np.ndarray:
        return make_measurer(trained).reconstruct(images, indices)[1]

    for group in counted(groups, len(groups)):
        kept = measured[group.runs[0].directory.path].reconstructions
        if kept is not None:
            reconstructions[group.label] = kept[indices]
        else:
            reconstructions[group.label] = measuring.with_model(group.runs[0], reconstruct)
    measuring.forget_model()
    places = _places(blocks)
    names = images.names
    return Exhibits(
        blocks={block: tuple(printable(names[index]) for index in chosen) for block, chosen in blocks.items()},
        images={block: originals[place] for block, place in places.items()},
        reconstructions={
            block: {label: found[place] for label, found in reconstructions.items()} for block, place in places.items()
        },
        psnr={
            block: {group.label: psnr[group.label][0][chosen] for group in groups} for block, chosen in blocks.items()
        },
        spectra={group.label: measured[group.runs[0].directory.path].spectrum for group in groups},
    )


def _places(blocks: Mapping[str, Sequence[int]]) -> dict[str, slice]:
    """Where each block lies when all follow each other."""
    places, first = {}, 0
    for block, chosen in blocks.items():
        places[block] = slice(first, first + len(chosen))
        first += len(chosen)
    return places
