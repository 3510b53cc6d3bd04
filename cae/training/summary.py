"""What is told of a training as a whole: summary.json, and the hyperparameters that runs are sorted by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cae.errors import UserError
from cae.run_warning import RunWarning, as_json
from cae.runs.checksums import write_last
from cae.runs.environment import peak_memory_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cae.config import RunConfig
    from cae.data.image_set import Splits
    from cae.plan import Plan
    from cae.runs.directory import RunDirectory
    from cae.training.outcome import Outcome
    from cae.training.state import TrainingState

Leaves = dict[str, bool | int | float | str]


def write_summary(
    run: RunDirectory,
    plan: Plan,
    splits: Splits,
    state: TrainingState,
    outcome: Outcome,
    *,
    wall_seconds: float,
    warnings: Sequence[RunWarning] = (),
    error: str | None = None,
) -> None:
    """Write summary.json: how a training ended, its best and last epoch, and what it cost; before it the checksums.

    Args:
        run: where.
        plan: of the model.
        splits: the images.
        state: at the end.
        outcome: how it ended.
        wall_seconds: that this process took, preparations included.
        warnings: what makes the run doubtful.
        error: why it failed, in a line.

    Raises:
        UserError: the file cannot be written.
    """
    counters, start = state.counters, _start_of(run)
    summary = {
        "status": outcome.value,
        **({"error": error} if error else {}),
        "warnings": as_json(warnings),
        "best": counters.best_metrics,
        "last": counters.last_metrics,
        "epochs": counters.epoch,
        "steps": state.step,
        **({"start_from": start} if start else {}),
        "parameters": plan.parameters,
        "macs_per_image": plan.macs,
        "code": plan.code.as_dict(),
        "images": {**splits.numbers, "skipped": splits.all_left_out},
        "skipped_images": sum(splits.all_left_out.values()),
        "replaced_images": dict(splits.replaced),
        "image_shape": list(plan.image_shape),
        "wall_seconds": wall_seconds,
        "training_seconds": counters.seconds + counters.epoch_seconds,
        "peak_memory_bytes": peak_memory_bytes(),
    }
    write_last(run.summary, summary, run.training_files)


def _start_of(run: RunDirectory) -> Any:
    """The run whose weights were the first ones, as environment.json has it; None for random weights."""
    try:
        return run.read_environment().get("start_from")
    except UserError:  # damaged: no reason to lose a summary
        return None


def hyperparameters(config: RunConfig, plan: Plan) -> Leaves:
    """Leaves of the configuration that TensorBoard can sort runs by, upsampling kind first.

    >>> from cae.config import RunConfig
    >>> from cae.plan import make_plan
    >>> config = RunConfig()
    >>> found = hyperparameters(config, make_plan(config.model, (28, 28, 1)))
    >>> found["upsampling"], found["training.optimizer.name"]
    ('conv_transpose', 'adam')
    """
    kinds = [upsampling.kind for upsampling in config.model.upsampling_per_stage]
    values: Leaves = {
        "upsampling": kinds[0] if len(set(kinds)) == 1 else ", ".join(kinds),
        "seed": config.seed,
    }
    for section in ("model", "objective", "training"):
        values |= _leaves(section, getattr(config, section).model_dump(mode="json"))
    return values | {
        "parameters": plan.parameters,
        "code_values": plan.code.values,
        "switch_bits": plan.code.switch_bits,
    }


def _leaves(prefix: str, value: Any) -> Leaves:
    """Dotted keys of plain values; lists as text, nothing for null."""
    if isinstance(value, dict):
        leaves: Leaves = {}
        for key, inner in value.items():
            leaves |= _leaves(f"{prefix}.{key}", inner)
        return leaves
    if isinstance(value, list):
        return {prefix: str(value)}
    return {} if value is None else {prefix: value}
