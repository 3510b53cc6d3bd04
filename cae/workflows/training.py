"""Trainings from a checked configuration to their end, for the command line and for Python alike."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cae.config import ConfigError, RunConfig, expand_grid
from cae.config.data import MemoryData
from cae.config.registration import known_here_alone
from cae.engine import determinism, start_engine
from cae.errors import UserError
from cae.files import check_is_text
from cae.grid import (
    Jobs,
    Match,
    match_models,
    matching_in_words,
    read_matching,
    write_matching,
)
from cae.kinds.own_model import PARTS
from cae.messages import number_of, tell
from cae.plan import Plan
from cae.runs import RunDirectory, check_is_writable
from cae.runs.begun import as_begun, check_start, has_ended, is_done
from cae.runs.directory import runs_near
from cae.training.amount import Amount
from cae.training.distribution.cluster import Cluster, find_cluster
from cae.training.outcome import Outcome
from cae.workflows.planning import load_splits_with_progress, plan_for, resolve, with_range_stated

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.errors import RunWarning
    from cae.training.range_test import RangeTest
    from cae.workflows.precision import Decision


@dataclass(frozen=True)
class TrainingJob:
    """What is to be trained, and what becomes of runs that are there already.

    Args:
        config: the checked configuration.
        source: its file, or the name that messages give it instead.
        runs_dir: the folder of all experiments.
        resume: go on with a run that exists, also for more epochs; a grid goes on anyway, but not for more epochs.
        overwrite: start runs afresh.
        tell: shows a line to the user.
        jobs: how many runs of a grid are trained side by side; see `cae.grid.jobs`.
        callbacks: of Keras, or for a grid a function that makes them of a run's configuration; Python has them.
    """

    config: RunConfig
    source: Path
    runs_dir: Path
    resume: bool = False
    overwrite: bool = False
    tell: Callable[[str], None] = tell
    jobs: Jobs = "auto"
    callbacks: Any = ()

    @property
    def directory(self) -> RunDirectory:
        """Where a single run is trained."""
        return RunDirectory(self.experiment / self.config.name)

    @property
    def experiment(self) -> Path:
        """The folder of all runs that belong together."""
        return self.runs_dir / self.config.experiment

    def image_shape_of(self, section: DataSection) -> tuple[int, int, int]:
        """Find images and let go of them: only shape and number are kept while others train on them."""
        return self._found(section)[0]

    def num_training_images(self, section: DataSection) -> int:
        """Find images, and say how many there are for training."""
        return self._found(section)[1]

    @functools.cached_property
    def expanded(self) -> tuple[Sequence[RunConfig], dict[str, Match]]:
        """The runs of the grid, their models alike where that is wanted, and each one's name to its widths.

        Raises:
            ConfigError: models cannot be matched, or one is to be trained by several processes.
        """
        configs, word = expand_grid(self.config), self.config.match
        if any("auto" in _stated(part.get(_PRECISION)) for part in (self.config.grid, self.config.tune.values)):
            raise ConfigError(
                f"{self.source}: {_PRECISION}: auto is decided once for all runs of a grid, so that it is none of the"
                " values of `grid` or `tune`: leave it there, and state it by itself."
            )
        if any(config.training.strategy == "multi_worker" for config in configs):
            raise ConfigError(
                f"{self.source}: training.strategy: multi_worker trains a single run; a grid is divided between"
                " machines by `python train.py CONFIG --shard I/N`, see docs/scaling.md."
            )
        if word == "none":
            return configs, {}
        before = {} if self.overwrite else read_matching(self.experiment, word)
        here = self.has_what_only_this_process_has
        configs, widths = match_models(configs, word, self.image_shape_of, self.source, before, here=here)
        for line in matching_in_words(word, widths, self.image_shape_of(configs[0].data)[2]):
            self.tell(line)
        return configs, widths

    def write_widths(self) -> None:
        """Write down the widths that make models alike, where that is wanted: times are not measured again."""
        if self.config.match != "none":
            write_matching(self.experiment, self.config.match, self.expanded[1])

    @functools.cached_property
    def has_what_only_this_process_has(self) -> bool:
        """Whether runs need images, objects or parts that a Python program handed over."""
        return bool(self.callbacks) or any(map(_needs_this_process, expand_grid(self.config)))

    @functools.cached_property
    def _found(self) -> Callable[[DataSection], tuple[tuple[int, int, int], int]]:
        def find(section: DataSection) -> tuple[tuple[int, int, int], int]:
            splits = load_splits_with_progress(section, self.tell)
            return splits.image_shape, len(splits.train)

        return functools.cache(find)


class JobResult(NamedTuple):
    """How a training ended."""

    exit_code: int
    outcome: Outcome | None = None
    """None where there was nothing left to train."""
    is_chief: bool = True
    """Whether this process wrote the run, and not another that trained with it."""


def train_one(job: TrainingJob) -> JobResult:
    """Train a single run, unless it is trained already.

    Raises:
        ConfigError: the model does not fit the images, or a run is there that the job neither resumes nor overwrites.
        UserError: images are missing, the folder cannot be written, another process trains there, or training failed.
    """
    directory = job.directory
    if job.resume and directory.exists:
        job = replace(job, config=as_begun(directory, job.config))
    cluster = _find_cluster(job.config)
    is_chief = cluster is None or cluster.is_chief
    if not is_chief and job.resume and has_ended(directory, job.config):
        return JobResult(0, is_chief=False)  # as the chief says
    if is_chief:
        directory.lock.check_is_free()
        if _is_done(job):
            return JobResult(0)
        check_is_text(directory.path)
        check_is_writable(directory.path)
    others = None
    if is_chief and job.resume and not directory.exists:
        others = runs_near(directory.path)
        job.tell(f"There is no run {directory.path} to go on with: starting at the beginning.{others}")
    with determinism(job.config.training.deterministic):
        result = _prepare_and_train(job, cluster)
    if others is not None and result.outcome:  # a name may be misspelt, and hours have gone by since that was said
        job.tell(f"There was no run {directory.path} to go on with: it was trained from the beginning.{others}")
    return result


def _prepare_and_train(job: TrainingJob, cluster: Cluster | None) -> JobResult:
    directory, is_chief = job.directory, cluster is None or cluster.is_chief
    job, plan, splits = prepare(job, is_chief=is_chief)
    if not is_chief:
        return _train(job, plan, splits, cluster)
    with directory.lock.held(job.tell):
        # Looked at again, since another process may have trained the run while this one read its images.
        if _is_done(job):
            return JobResult(0)
        job.tell(_headline(job.config, plan))
        job.tell(f"{amount_in_words(job.config, len(splits.train))}.")
        for warning in find_warnings(job.config, plan, splits):
            job.tell(str(warning))
        return _train(job, plan, splits, cluster)


def find_learning_rate(
    job: TrainingJob, lowest: float, highest: float, steps: int, progress: Callable[[int, int], None]
) -> RangeTest:
    """Find a learning rate for a single run, whose directory is not touched; see `cae.training.range_test`.

    Raises:
        ConfigError: there is a grid, or several processes are to train; or as `train_one`.
        UserError: images are missing, or there is nothing to suggest.
    """
    from cae.training.range_test import check_range, run_range_test

    check_range(lowest, highest, steps)
    if job.config.grid:
        raise ConfigError(
            f"{job.source}: a grid has no one learning rate; choose one combination, and add `grid={{}}`."
        )
    if job.config.training.strategy == "multi_worker":
        raise ConfigError(f"{job.source}: rates are tested in one process; add `training.strategy=auto`.")
    with determinism(job.config.training.deterministic):
        job, plan, splits = prepare(replace(job, overwrite=True))
        from cae.training.train import Training
        from cae.workflows.precision import decided

        training = decided(Training(job.config, plan, splits, job.directory, job.tell))
        return run_range_test(training, lowest=lowest, highest=highest, steps=steps, progress=progress)


def prepare(job: TrainingJob, *, is_chief: bool = True) -> tuple[TrainingJob, Plan, Splits]:
    """Find the images, and check all that can be checked without training; a run to start from is the chief's.

    The job that is returned has no `auto` left.
    """
    from cae.data.dividing import warn_of_leaks

    splits = load_splits_with_progress(job.config.data, job.tell)
    plan = plan_for(job.config, splits.image_shape, job.source)
    job = replace(job, config=resolve(job.config, plan, len(splits.train), job.source))
    try:
        if is_chief and not (job.resume and job.directory.has_checkpoint):
            check_start(job.config, plan, job.tell)
        check_objective(job.config, plan.image_shape)
    except ConfigError as error:
        raise ConfigError(f"{job.source}: {error}") from error
    splits.warnings.extend(warn_of_leaks(splits))
    return job, plan, splits


def _find_cluster(config: RunConfig) -> Cluster | None:
    """The processes that train together; None for this one alone."""
    if config.training.strategy != "multi_worker":
        return None
    start_engine()
    return find_cluster()


def _is_done(job: TrainingJob) -> bool:
    directory = job.directory
    if not is_done(directory, job.config, resume=job.resume, overwrite=job.overwrite):
        return False
    job.tell(f"{directory.path}: {directory.status} already; nothing to resume.")
    directory.restore_page()
    return True


def _train(job: TrainingJob, plan: Plan, splits: Splits, cluster: Cluster | None) -> JobResult:
    from cae.training.train import Training
    from cae.workflows.precision import decided

    config = with_range_stated(job.config, splits)
    callbacks = job.callbacks(config) if callable(job.callbacks) else job.callbacks
    notes = _notes(job)
    training = decided(Training(config, plan, splits, job.directory, job.tell, cluster, tuple(callbacks or ()), notes))
    outcome, exit_code = training.train(resume=job.resume)
    return JobResult(exit_code, outcome, is_chief=cluster is None or cluster.is_chief)


def _notes(job: TrainingJob) -> dict[str, Any]:
    """Why the run has its precision, where that was decided before: for its whole grid, or when it was begun."""
    from cae.workflows.precision import read_decision

    if job.resume and job.directory.exists:
        with contextlib.suppress(UserError):  # damaged: no reason to lose a run
            return {key: one for key, one in job.directory.read_environment().items() if key == "precision"}
    decision = read_decision(job.experiment, job.config.name)
    is_its_own = decision is not None and decision.chosen == job.config.training.precision
    return {"precision": asdict(decision)} if decision and is_its_own else {}


def decide_precision(job: TrainingJob) -> Decision:
    """Decide `precision: auto` for a single run, in this process."""
    with determinism(job.config.training.deterministic):
        job, plan, splits = prepare(replace(job, overwrite=True))
        from cae.training.train import Training
        from cae.workflows.precision import decide

        return decide(Training(with_range_stated(job.config, splits), plan, splits, job.directory, job.tell))


_PRECISION = "training.precision"


def _stated(values: Any) -> Sequence[Any]:
    return values if isinstance(values, tuple | list) else ()


def _needs_this_process(config: RunConfig) -> bool:
    objects = (config.objective.loss, config.training.optimizer, config.training.schedule)
    is_given = isinstance(config.data, MemoryData) or any(getattr(one, "custom", False) for one in objects)
    is_given = is_given or any(getattr(config.model, part).keras for part in PARTS)
    return is_given or bool(known_here_alone(config))


def check_objective(config: RunConfig, image_shape: tuple[int, int, int]) -> None:
    """Start the engine; refuse images too small for a term of the objective, and parts of your own that fail."""
    start_engine()
    from cae.training.objective import Objective

    objective = Objective(config.objective)
    objective.check_image_shape(image_shape)
    if config.training.strategy != "multi_worker":  # whose processes must join before the first operation
        objective.try_own_parts(image_shape)


def find_warnings(config: RunConfig, plan: Plan, splits: Splits) -> list[RunWarning]:
    """What makes a run doubtful before its first step."""
    from cae.training.summary import foreseen

    return list(dict.fromkeys([*splits.warnings, *foreseen(config.training, plan, len(splits.train))]))


def _headline(config: RunConfig, plan: Plan) -> str:
    code = number_of(plan.code.values, "value")
    return (
        f"Training {config.experiment}/{config.name}: an image becomes a code of {code} and comes back;"
        f" upsampling by {config.model.upsampling_kinds}; {plan.parameters:,} parameters,"
        f" {plan.macs / 1e6:,.1f} million multiply-accumulates an image."
    )


def amount_in_words(config: RunConfig, num_images: int) -> str:
    """How much is to be done, for people."""
    amount = Amount.of(config.training, num_images)
    return (
        f"{number_of(amount.steps, 'step')} of {number_of(amount.batch_size, 'image')}:"
        f" {number_of(amount.epochs, 'epoch')} of {number_of(num_images, 'training image')}"
    )
