"""Trainings from a checked configuration to their end, for the command line and for Python alike."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from cae.config import ConfigError, RunConfig, expand_grid
from cae.config.data import MemoryData
from cae.config.registration import known_here_alone
from cae.engine import determinism, start_engine
from cae.errors import UserError
from cae.files import check_is_text
from cae.grid import (
    TRIALS,
    Arm,
    Combination,
    Jobs,
    Load,
    Match,
    Shard,
    check_plans,
    choose_jobs,
    find_arms,
    find_combinations,
    match_models,
    matching_in_words,
    read_matching,
    train_arms,
    train_combinations,
    write_matching,
)
from cae.grid.runner import environment
from cae.kinds.own_model import PARTS
from cae.machine import this_machine
from cae.messages import tell
from cae.plan import Plan
from cae.runs import RunDirectory, check_is_writable
from cae.runs.begun import as_begun, check_start, has_ended, is_done
from cae.training.amount import Amount
from cae.training.distribution.cluster import Cluster, find_cluster
from cae.training.outcome import Outcome
from cae.workflows.planning import load_splits_with_progress, memory_of_step, plan_for, resolve, with_range_stated

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
                " machines by --shard I/N, see docs/scaling.md."
            )
        if word == "none":
            return configs, {}
        before = {} if self.overwrite else read_matching(self.experiment, word)
        configs, widths = match_models(configs, word, self.image_shape_of, self.source, before)
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
    with determinism(job.config.training.deterministic):
        return _prepare_and_train(job, cluster)


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


def _with_precision(job: TrainingJob) -> TrainingJob:
    """Decide `precision: auto` for a whole grid, on its first combination, unless it has been done."""
    from cae.workflows.precision import read_decision, write_decision

    configs = expand_grid(job.config)
    if job.config.training.precision != "auto" or configs[0].training.precision != "auto":
        return job
    check_is_writable(job.experiment)
    decision = None if job.overwrite else read_decision(job.experiment)
    if decision is None:
        first = replace(job, config=configs[0])
        plan_for(first.config, job.image_shape_of(first.config.data), job.source)  # refuses what does not fit
        decision = decide_precision(first) if job.has_what_only_this_process_has else _decide_elsewhere(first)
    job.tell(f"{decision}; for all runs alike.")
    write_decision(job.experiment, decision, [config.name for config in configs])
    training = job.config.training.model_copy(update={"precision": decision.chosen})
    return replace(job, config=job.config.model_copy(update={"training": training}))


def _decide_elsewhere(job: TrainingJob) -> Decision:
    """Decide in another process, whose memory is given back."""
    from cae.workflows.precision import Decision

    job.tell("Taking steps in float32 and in bfloat16, for `precision: auto`.")
    done = subprocess.run(
        [sys.executable, "-m", "cae.workflows.precision", job.source, job.runs_dir],
        input=job.config.model_dump_json(),
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    if done.returncode:
        said = [*done.stderr.strip().splitlines(), f"exit code {done.returncode}"][-2:][0]
        raise UserError(f"precision: auto: steps could not be taken: {said}")
    return Decision(**json.loads(done.stdout.splitlines()[-1]))


def find_grid(job: TrainingJob, shard: Shard | None = None) -> list[Combination]:
    """Find the combinations of a grid, or those of a shard, and the state of each.

    Where decoders are tuned they have the values that were chosen, as far as that is done.

    Raises:
        ConfigError: models cannot be matched, or one is to be trained by several processes.
    """
    configs, arms = _expand(job, shard)
    if arms:
        configs = [config for arm in arms for config in arm.tuned()]
    return find_combinations(configs, job.runs_dir, overwrite=job.overwrite, longer=job.resume)


def _expand(job: TrainingJob, shard: Shard | None) -> tuple[Sequence[RunConfig], Sequence[Arm]]:
    """The runs of a grid, or those of a shard, and the decoders that are tuned: a shard has all seeds of one."""
    configs = job.expanded[0]
    arms: Sequence[Arm] = find_arms(job.config, configs, job.experiment)
    return (shard.part(configs), shard.part(arms)) if shard else (configs, arms)


def train_grid(
    job: TrainingJob,
    shard: Shard | None = None,
    *,
    program: Callable[[Sequence[str]], int],
    passed_on: Sequence[str] = (),
) -> tuple[list[Path], int]:
    """Tune the decoders of a grid, where that is wanted, and train all runs in other processes.

    This process stays small. What is there already of trials and runs is kept, unless all start afresh.

    Args:
        job: with a grid.
        shard: a part of it.
        program: what those processes call with the words of a command line; found there by its name.
        passed_on: options of each run's own command.

    Returns:
        The folders of those that are trained, and the exit code, as `cae.grid.train_combinations` has them; the runs
        of a decoder that could not be tuned are not trained, and the exit code is 1.

    Raises:
        ConfigError: a model does not fit its images.
        UserError: images are missing, or a folder cannot be written.
    """

    def train(
        combinations: Sequence[Combination], runs_dir: Path, noun: Literal["runs", "trials"]
    ) -> tuple[list[Path], int]:
        pending = [combination for combination in combinations if combination.is_pending]
        for combination in pending:
            check_is_text(combination.directory.path)
            check_is_writable(combination.directory.path)
        plans = check_plans(pending, job.image_shape_of, job.source)
        if job.has_what_only_this_process_has:
            return _train_here(replace(job, runs_dir=runs_dir), combinations)
        loads = [_load(job, one.config, plan) for one, plan in zip(pending, plans, strict=True)]
        jobs = choose_jobs(job.jobs, loads, this_machine())
        if jobs > 1:
            job.tell(f"{jobs} {noun} side by side (--jobs 1 trains them one after another).")
        return train_combinations(
            combinations,
            runs_dir,
            program=program,
            jobs=jobs,
            overwrite=job.overwrite,
            longer=job.resume,
            passed_on=passed_on,
            noun=noun,
            tell=job.tell,
        )

    job = _with_precision(job)
    _, arms = _expand(job, shard)
    job.write_widths()
    untuned, code = train_arms(
        arms, lambda trials: train(trials, job.experiment / TRIALS, "trials")[1], overwrite=job.overwrite
    )
    if code > 1:
        return [], code
    if untuned:
        job.tell(
            f"Not tuned, so that their runs are not trained: {', '.join(arm.name for arm in untuned)}. The reasons are"
            " above; where every trial's loss was infinite, try lower learning rates."
        )
    left_out = {run.name for arm in untuned for run in arm.runs}
    combinations = [one for one in find_grid(job, shard) if one.config.name not in left_out]
    trained, code_of_runs = train(combinations, job.runs_dir, "runs") if combinations else ([], 0)
    return trained, max(code, code_of_runs)


def _load(job: TrainingJob, config: RunConfig, plan: Plan) -> Load:
    """What a run asks of the machine; nothing where it will be refused."""
    num_images, section = job.num_training_images(config.data), config.data
    try:
        config = resolve(config, plan, num_images, job.source)
    except ConfigError:
        return Load(0.0, 0)
    amount = Amount.of(config.training, num_images)
    streamed = section.source in ("image_folder", "tfrecord") and section.cache != "memory"
    images = 0 if streamed else num_images * math.prod(plan.image_shape)
    memory = memory_of_step(config, plan, amount.batch_size).total + images
    return Load(float(plan.macs) * amount.batch_size * amount.steps, memory)


_PRECISION = "training.precision"


def _stated(values: Any) -> Sequence[Any]:
    return values if isinstance(values, tuple | list) else ()


def _needs_this_process(config: RunConfig) -> bool:
    objects = (config.objective.loss, config.training.optimizer, config.training.schedule)
    is_given = isinstance(config.data, MemoryData) or any(getattr(one, "custom", False) for one in objects)
    is_given = is_given or any(getattr(config.model, part).keras for part in PARTS)
    return is_given or bool(known_here_alone(config))


def _train_here(job: TrainingJob, combinations: Sequence[Combination]) -> tuple[list[Path], int]:
    """Train runs one after another in this process."""
    trained: list[Path] = []
    for number, combination in enumerate(combinations, start=1):
        head = f"[{number}/{len(combinations)}] {combination.config.name}"
        job.tell(f"{head}: {combination.reason or 'training'}")
        if combination.is_pending:
            one = replace(job, config=combination.config, resume=combination.intent == "resume")
            try:
                exit_code = train_one(one).exit_code
            except UserError as error:
                job.tell(f"{head}: {error}")
                continue
            if exit_code:
                return trained, exit_code
        if combination.is_pending or combination.intent == "skip":
            trained.append(combination.directory.path)
    return trained, int(len(trained) < len(combinations))


def describe_tuning(job: TrainingJob, shard: Shard | None = None) -> list[str]:
    """What is tried for each decoder of a grid, and what is chosen already; nothing where nothing is tuned."""
    return [arm.in_words() for arm in _expand(job, shard)[1]]


def check_objective(config: RunConfig, image_shape: tuple[int, int, int]) -> None:
    """Start the engine, and refuse images that are too small for a term of the objective."""
    start_engine()
    from cae.training.objective import Objective

    Objective(config.objective).check_image_shape(image_shape)


def find_warnings(config: RunConfig, plan: Plan, splits: Splits) -> list[RunWarning]:
    """What makes a run doubtful before its first step."""
    from cae.training.summary import foreseen

    return list(dict.fromkeys([*splits.warnings, *foreseen(config.training, plan, len(splits.train))]))


def _headline(config: RunConfig, plan: Plan) -> str:
    return (
        f"Training {config.experiment}/{config.name}: an image becomes a code of {plan.code.values:,} values and comes"
        f" back; upsampling by {config.model.upsampling_kinds}; {plan.parameters:,} parameters,"
        f" {plan.macs / 1e6:,.1f} million multiply-accumulates an image."
    )


def find_amounts(job: TrainingJob, combinations: Sequence[Combination], plans: Sequence[Plan]) -> list[Amount]:
    """How much each combination of a grid is trained."""
    amounts = []
    for combination, plan in zip(combinations, plans, strict=True):
        num_images = job.num_training_images(combination.config.data)
        config = resolve(combination.config, plan, num_images, job.source)
        amounts.append(Amount.of(config.training, num_images))
    return amounts


def amount_in_words(config: RunConfig, num_images: int) -> str:
    """How much is to be done, for people."""
    amount = Amount.of(config.training, num_images)
    return (
        f"{amount.steps:,} step{'s' * (amount.steps != 1)} of {amount.batch_size} images: {amount.epochs:,}"
        f" {'epoch' if amount.epochs == 1 else 'epochs'} of {num_images:,} training images"
    )
