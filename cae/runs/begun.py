"""What to do with a run that may exist already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cae.config import RunConfig, load_config
from cae.config.data import StoredData
from cae.config.training import TrainingSection
from cae.errors import ConfigError
from cae.kinds.own_model import PARTS
from cae.plan import Plan, PlanError, first_difference, make_plan
from cae.runs.directory import RunDirectory, open_run

# Says where a run is trained, not what is trained: it may go on elsewhere.
_FREE_TO_CHANGE = ("training.strategy",)


def as_begun(directory: RunDirectory, config: RunConfig) -> RunConfig:
    """A configuration whose run goes on: what it leaves open, or to be observed, is as the run has it.

    Args:
        directory: where the run was begun.
        config: what the run is to be.

    Raises:
        ConfigError: the run's configuration is damaged.
    """
    begun = load_config(directory.config)
    training, data = config.training, config.data
    if training.batch_size == "auto":
        training = training.model_copy(update={"batch_size": begun.training.batch_size})
    if training.precision == "auto":
        training = training.model_copy(update={"precision": begun.training.precision})
    if training.epochs == "auto" and training.steps is None:
        update = {"epochs": begun.training.epochs, "steps": begun.training.steps}
        training = training.model_copy(update=update)
    if isinstance(data, StoredData) and isinstance(begun.data, StoredData) and data.value_range == "observed":
        data = data.model_copy(update={"value_range": begun.data.value_range})
    model = config.model
    for part in PARTS:
        own, its = getattr(model, part).keras, getattr(begun.model, part).keras
        if own and its and own.sha256 == its.sha256:  # what weights it brings now is of no effect any more
            model = model.model_copy(update={part: getattr(model, part).model_copy(update={"keras": its})})
    return config.model_copy(update={"training": training, "data": data, "model": model})


def is_longer(wanted: TrainingSection, begun: TrainingSection) -> bool:
    """Whether a resumed run gets more epochs, or more steps, than it had before."""
    for more, before in ((wanted.epochs, begun.epochs), (wanted.steps, begun.steps)):
        if isinstance(more, int) and isinstance(before, int):
            return more > before
    return False


def is_done(directory: RunDirectory, config: RunConfig, *, resume: bool, overwrite: bool, longer: bool = True) -> bool:
    """Whether there is nothing left to train; refuses what must not be touched.

    >>> import tempfile, pathlib
    >>> nothing_yet = RunDirectory(pathlib.Path(tempfile.mkdtemp(), "experiment", "name"))
    >>> is_done(nothing_yet, RunConfig(), resume=False, overwrite=False)
    False

    Args:
        directory: where the run belongs.
        config: what the run is to be.
        resume: go on with a run of the same configuration; `training.strategy` may be another.
        overwrite: start a run afresh, whatever it was.
        longer: a run that goes on may do so for more epochs than it was to have.

    Raises:
        ConfigError: a run is there, and neither `resume` nor `overwrite` is said, or it has another configuration.
        UserError: something else than a run is there.
    """
    if resume and directory.exists:
        config = as_begun(directory, config)
        _check_same_config(directory, config, longer)
        return has_ended(directory, config)
    if not overwrite:
        directory.check_is_free()
    directory.check_holds_nothing_else()
    return False


def has_ended(directory: RunDirectory, config: RunConfig) -> bool:
    """Whether the run has come to its end, and `config` asks for no more than it was to have."""
    return directory.has_ended and not is_longer(config.training, load_config(directory.config).training)


def check_start(config: RunConfig, plan: Plan, tell: Callable[[str], None]) -> None:
    """Refuse to start from a run of another model, or from none.

    Args:
        config: of the run that is to be trained.
        plan: of its model.
        tell: is given a line for the user, when the run to start from is not finished.

    Raises:
        ConfigError: the models differ; names the first layer that does.
        UserError: `training.start_from` is no run with weights.
    """
    if config.training.start_from is None:
        return
    run = open_run(Path(config.training.start_from), tell)
    shape = run.read_summary().get("image_shape") if run.summary.exists() else None
    try:
        theirs = make_plan(load_config(run.config).model, tuple(shape or plan.image_shape))
    except PlanError as error:
        raise ConfigError(f"training.start_from: {run.path}: {error}") from error
    if difference := first_difference(theirs, plan):
        raise ConfigError(
            f"training.start_from: {run.path}: has another model. The first layer that differs: {difference}"
        )


def _check_same_config(directory: RunDirectory, config: RunConfig, longer: bool) -> None:
    stored = load_config(directory.config)
    may_differ = longer and is_longer(config.training, stored.training)
    free = (*_FREE_TO_CHANGE, "training.epochs", "training.steps") if may_differ else _FREE_TO_CHANGE
    lines = _differences("", stored.model_dump(), config.model_dump())
    different = [line for line in lines if line.split(":")[0] not in free]
    if different:
        raise ConfigError(
            f"{directory.config}: a run goes on with the same configuration only; with --resume, `training.epochs` may"
            " be more than before, or `training.steps` where it has these. Use --overwrite to start it afresh, or"
            " another `name`. Different now:\n  " + "\n  ".join(different)
        )


def _differences(prefix: str, stored: object, wanted: object) -> list[str]:
    if stored == wanted:
        return []
    if isinstance(stored, dict) and isinstance(wanted, dict):
        keys = [*stored, *(key for key in wanted if key not in stored)]
        return [
            line
            for key in keys
            for line in _differences(f"{prefix}.{key}".lstrip("."), stored.get(key), wanted.get(key))
        ]
    return [f"{prefix}: was {stored!r}, is {wanted!r}"]
