"""A grid from its checked configuration to its trained runs, for the command line and for Python alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cae.config import ConfigError, RunConfig, expand_grid
from cae.errors import UserError
from cae.files import check_is_text
from cae.grid import (
    TRIALS,
    Arm,
    Combination,
    Load,
    Shard,
    check_plans,
    choose_jobs,
    find_arms,
    find_combinations,
    read_matching,
    train_arms,
    train_combinations,
)
from cae.grid.runner import compute_elsewhere
from cae.machine import this_machine
from cae.plan import Plan
from cae.runs import check_is_writable
from cae.training.amount import Amount
from cae.workflows.planning import memory_of_step, plan_for, resolve
from cae.workflows.training import TrainingJob, decide_precision, train_one

if TYPE_CHECKING:
    from cae.workflows.precision import Decision


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
    is_timed = job.config.match == "time" and shard is not None and shard.count > 1
    if is_timed and (job.overwrite or not read_matching(job.experiment, "time")):
        raise ConfigError(
            f"{job.source}: match: time: each shard would measure times of its own. Let `python -m cae protocol"
            f" {job.source}` measure them once for all, and leave --overwrite away."
        )
    configs = job.expanded[0]
    arms: Sequence[Arm] = find_arms(job.config, configs, job.experiment)
    return (shard.part(configs), shard.part(arms)) if shard else (configs, arms)


def describe_tuning(job: TrainingJob, shard: Shard | None = None) -> list[str]:
    """What is tried for each decoder of a grid, and what is chosen already; nothing where nothing is tuned."""
    return [arm.in_words() for arm in _expand(job, shard)[1]]


def find_amounts(job: TrainingJob, combinations: Sequence[Combination], plans: Sequence[Plan]) -> list[Amount]:
    """How much each combination of a grid is trained."""
    amounts = []
    for combination, plan in zip(combinations, plans, strict=True):
        num_images = job.num_training_images(combination.config.data)
        config = resolve(combination.config, plan, num_images, job.source)
        amounts.append(Amount.of(config.training, num_images))
    return amounts


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
    values, failed = job.config.model_dump(mode="json"), "precision: auto: steps could not be taken"
    return Decision(**compute_elsewhere("cae.workflows.precision", values, job.source, job.runs_dir, failed=failed))
