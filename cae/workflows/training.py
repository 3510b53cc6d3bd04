"""Trainings from a checked configuration to their end, for the command line and for Python alike."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cae.config import ConfigError, RunConfig, expand_grid
from cae.engine import start_engine
from cae.files import check_is_text
from cae.grid import Combination, Shard, check_plans, find_combinations, match_parameters, train_combinations
from cae.messages import tell
from cae.plan import Plan
from cae.runs import RunDirectory, check_is_writable
from cae.runs.begun import as_begun, check_start, has_ended, is_done
from cae.training.amount import Amount
from cae.training.distribution.cluster import Cluster, find_cluster
from cae.training.outcome import Outcome
from cae.workflows.planning import load_splits_with_progress, plan_for, resolve, with_range_stated

if TYPE_CHECKING:
    from cae.config.data import DataSection
    from cae.data.image_set import Splits
    from cae.errors import RunWarning
    from cae.training.range_test import RangeTest


@dataclass(frozen=True)
class Order:
    """What is to be trained, and what becomes of runs that are there already.

    Args:
        config: the checked configuration.
        source: its file, or the name that messages give it instead.
        runs_dir: the folder of all experiments.
        resume: go on with a run that exists, also for more epochs; a grid goes on anyway, but not for more epochs.
        overwrite: start runs afresh.
        tell: shows a line to the user.
    """

    config: RunConfig
    source: Path
    runs_dir: Path
    resume: bool = False
    overwrite: bool = False
    tell: Callable[[str], None] = tell

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
    def _found(self) -> Callable[[DataSection], tuple[tuple[int, int, int], int]]:
        def find(section: DataSection) -> tuple[tuple[int, int, int], int]:
            splits = load_splits_with_progress(section, self.tell)
            return splits.image_shape, len(splits.train)

        return functools.cache(find)


class End(NamedTuple):
    """How a training ended."""

    exit_code: int
    outcome: Outcome | None = None
    """None where there was nothing left to train."""
    is_chief: bool = True
    """Whether this process wrote the run, and not another that trained with it."""


def train_one(order: Order) -> End:
    """Train a single run, unless it is trained already.

    Raises:
        ConfigError: the model does not fit the images, or a run is there and the order does not say what of it.
        UserError: images are missing, the folder cannot be written, another process trains there, or training failed.
    """
    directory = order.directory
    if order.resume and directory.exists:
        order = replace(order, config=as_begun(directory, order.config))
    cluster = _find_cluster(order.config)
    is_chief = cluster is None or cluster.is_chief
    if not is_chief and order.resume and has_ended(directory, order.config):
        return End(0, is_chief=False)  # as the chief says
    if is_chief:
        directory.lock.check_is_free()
        if _is_done(order):
            return End(0)
        check_is_text(directory.path)
        check_is_writable(directory.path)
    order, plan, splits = prepare(order, is_chief=is_chief)
    if not is_chief:
        return _train(order, plan, splits, cluster)
    with directory.lock.held(order.tell):
        # Looked at again, since another process may have trained the run while this one read its images.
        if _is_done(order):
            return End(0)
        order.tell(_headline(order.config, plan))
        order.tell(f"{amount_in_words(order.config, len(splits.train))}.")
        for warning in find_warnings(order.config, plan, splits):
            order.tell(str(warning))
        return _train(order, plan, splits, cluster)


def find_learning_rate(
    order: Order, lowest: float, highest: float, steps: int, progress: Callable[[int, int], None]
) -> RangeTest:
    """Find a learning rate for a single run, whose directory is not touched; see `cae.training.range_test`.

    Raises:
        ConfigError: there is a grid, or several processes are to train; or as `train_one`.
        UserError: images are missing, or there is nothing to suggest.
    """
    from cae.training.range_test import check_range, run_range_test

    check_range(lowest, highest, steps)
    if order.config.grid:
        raise ConfigError(
            f"{order.source}: a grid has no one learning rate; choose one combination, and add `grid={{}}`."
        )
    if order.config.training.strategy == "multi_worker":
        raise ConfigError(f"{order.source}: rates are tested in one process; add `training.strategy=auto`.")
    order, plan, splits = prepare(replace(order, overwrite=True))
    from cae.training.train import Training

    training = Training(order.config, plan, splits, order.directory, order.tell)
    return run_range_test(training, lowest=lowest, highest=highest, steps=steps, progress=progress)


def prepare(order: Order, *, is_chief: bool = True) -> tuple[Order, Plan, Splits]:
    """Find the images, and check all that can be checked without training; a run to start from is the chief's.

    The order then leaves nothing open.
    """
    from cae.data.dividing import warn_of_leaks

    splits = load_splits_with_progress(order.config.data, order.tell)
    plan = plan_for(order.config, splits.image_shape, order.source)
    order = replace(order, config=resolve(order.config, plan, len(splits.train), order.source))
    try:
        if is_chief and not (order.resume and order.directory.has_checkpoint):
            check_start(order.config, plan, order.tell)
        check_objective(order.config, plan.image_shape)
    except ConfigError as error:
        raise ConfigError(f"{order.source}: {error}") from error
    splits.warnings.extend(warn_of_leaks(splits))
    return order, plan, splits


def _find_cluster(config: RunConfig) -> Cluster | None:
    """The processes that train together; None for this one alone."""
    if config.training.strategy != "multi_worker":
        return None
    start_engine(deterministic=config.training.deterministic)
    return find_cluster()


def _is_done(order: Order) -> bool:
    directory = order.directory
    if not is_done(directory, order.config, resume=order.resume, overwrite=order.overwrite):
        return False
    order.tell(f"{directory.path}: {directory.status} already; nothing to resume.")
    return True


def _train(order: Order, plan: Plan, splits: Splits, cluster: Cluster | None) -> End:
    from cae.training.train import Training

    training = Training(with_range_stated(order.config, splits), plan, splits, order.directory, order.tell, cluster)
    outcome, exit_code = training.train(resume=order.resume)
    return End(exit_code, outcome, is_chief=cluster is None or cluster.is_chief)


def find_grid(order: Order, shard: Shard | None = None) -> list[Combination]:
    """Find the combinations of a grid, or those of a shard, and the state of each.

    Raises:
        ConfigError: models cannot be matched, or one is to be trained by several processes.
    """
    configs: Sequence[RunConfig] = expand_grid(order.config)
    if any(combination.training.strategy == "multi_worker" for combination in configs):
        raise ConfigError(
            f"{order.source}: training.strategy: multi_worker trains a single run; a grid is divided between"
            " machines by --shard I/N, see docs/scaling.md."
        )
    if order.config.match == "parameters":
        configs = match_parameters(configs, order.image_shape_of, order.source)
    if shard:
        configs = shard.part(configs)
    return find_combinations(configs, order.runs_dir, overwrite=order.overwrite, longer=order.resume)


def train_grid(
    order: Order, combinations: list[Combination], *, passed_on: Sequence[str] = ()
) -> tuple[list[Path], int]:
    """Train combinations, each in a process of its own; this one stays small.

    Returns:
        The folders of those that are trained, and the exit code, as `cae.grid.train_combinations` has them.

    Raises:
        ConfigError: a model does not fit its images.
        UserError: images are missing, or a folder cannot be written.
    """
    pending = [combination for combination in combinations if combination.is_pending]
    for combination in pending:
        check_is_text(combination.directory.path)
        check_is_writable(combination.directory.path)
    check_plans(pending, order.image_shape_of, order.source)
    return train_combinations(
        combinations,
        order.runs_dir,
        overwrite=order.overwrite,
        longer=order.resume,
        passed_on=passed_on,
        tell=order.tell,
    )


def check_objective(config: RunConfig, image_shape: tuple[int, int, int]) -> None:
    """Start the engine, and refuse images that are too small for a term of the objective."""
    start_engine(deterministic=config.training.deterministic)
    from cae.training.objective import Objective

    Objective(config.objective).check_image_shape(image_shape)


def find_warnings(config: RunConfig, plan: Plan, splits: Splits) -> list[RunWarning]:
    """What makes a run doubtful before its first step."""
    from cae.training.summary import foreseen

    return list(dict.fromkeys([*splits.warnings, *foreseen(config.training, plan, len(splits.train))]))


def _headline(config: RunConfig, plan: Plan) -> str:
    kinds = dict.fromkeys(upsampling.kind for upsampling in config.model.upsampling_per_stage)
    return (
        f"Training {config.experiment}/{config.name}: {plan.parameters:,} parameters,"
        f" {plan.macs / 1e6:,.1f} million MACs an image, code of {plan.code.values:,} values,"
        f" upsampling {', '.join(kinds)}."
    )


def find_amounts(order: Order, combinations: Sequence[Combination], plans: Sequence[Plan]) -> list[Amount]:
    """How much each combination of a grid is trained."""
    amounts = []
    for combination, plan in zip(combinations, plans, strict=True):
        num_images = order.num_training_images(combination.config.data)
        config = resolve(combination.config, plan, num_images, order.source)
        amounts.append(Amount.of(config.training, num_images))
    return amounts


def amount_in_words(config: RunConfig, num_images: int) -> str:
    """How much is to be done, for people."""
    amount = Amount.of(config.training, num_images)
    return (
        f"{amount.steps:,} step{'s' * (amount.steps != 1)} of {amount.batch_size} images: {amount.epochs:,}"
        f" {'epoch' if amount.epochs == 1 else 'epochs'} of {num_images:,} training images"
    )
