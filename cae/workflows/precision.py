"""What `training.precision: auto` is: bfloat16 where there is any, steps are faster, and 50 of them lose nothing.

Of a grid in a process of its own, `python -m cae.workflows.precision` with a configuration on stdin.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cae.atomic_files import write_json
from cae.errors import UserError
from cae.files import file_error, read_bytes
from cae.machine import Machine, this_machine

if TYPE_CHECKING:
    from cae.training.train import Training

NAME = "precision.json"
CHOICES = ("float32", "mixed_bfloat16")
STEPS = 50
# In the first steps graphs are traced. From so many times as fast on, 16 bits are worth it.
_WARM_UP, _FASTER = 10, 1.1
# Words of /proc/cpuinfo, of x86 and of ARM.
_INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}
# The first GPUs of Nvidia's that have it.
_CAPABILITY = (8, 0)


@dataclass(frozen=True)
class Decision:
    """What was chosen.

    Args:
        chosen: one of `CHOICES`.
        why: in a few words, with figures.
    """

    chosen: str
    why: str

    def __str__(self) -> str:
        return f"precision: {self.chosen.removeprefix('mixed_')}: {self.why}"


# Takes the same steps in both precisions; gives losses and seconds of each, both (steps, 2), float32 first.
Measure = Callable[["Training"], tuple[np.ndarray, np.ndarray]]


def take_steps(training: Training) -> tuple[np.ndarray, np.ndarray]:
    """Take each step in float32 and then in bfloat16, with the same weights and images: see `Measure`."""

    def trial(precision: str) -> Training:
        section = training.config.training.model_copy(update={"precision": precision})
        config = training.config.model_copy(update={"training": section})
        return replace(training, config=config, tell=lambda line: None, callbacks=())

    losses, seconds = np.empty((STEPS, 2)), np.empty((STEPS, 2))
    both = [trial(precision).losses_at([None] * STEPS) for precision in CHOICES]
    for step in range(STEPS):
        for column, steps in enumerate(both):
            started = time.perf_counter()
            losses[step, column] = next(steps)
            seconds[step, column] = time.perf_counter() - started
    for steps in both:
        steps.close()
    return losses, seconds


def judge(losses: np.ndarray, seconds: np.ndarray) -> Decision:
    """Choose by what `Measure` gives: bfloat16 where steps are 1.1 times as fast, and their loss is within the noise.

    Compared are mean losses of the last 25 steps. The noise is twice the standard error of float32's: how far that mean
    would be off with other batches, from how the differences of neighbouring batches scatter, so that the fall of the
    loss is no part of it. A smaller difference is less than another order of the images would make.

    It is a check of the beginning: what only shows later, where the loss is small or weights hardly change, it does not
    see. Batches that differ much hide more than ones that are alike.

    >>> steps = np.linspace(1.0, 0.5, STEPS)[:, None] + 0.01 * np.random.default_rng(0).standard_normal((STEPS, 1))
    >>> judge(steps + [0.0, 0.001], np.full((STEPS, 2), [0.3, 0.2])).chosen
    'mixed_bfloat16'
    >>> judge(steps + [0.0, 0.1], np.full((STEPS, 2), [0.3, 0.2])).chosen
    'float32'
    """
    if not np.isfinite(losses).all():
        return Decision("float32", f"the loss of {STEPS} steps in bfloat16 beside it was not finite")
    late = losses[STEPS // 2 :]
    plain, short = late.mean(axis=0)
    noise = 2 * np.sqrt(np.diff(late[:, 0]).var() / 2 / len(late))
    faster = float(np.median(seconds[_WARM_UP:, 0] / seconds[_WARM_UP:, 1]))
    figures = f"({short:.4g} against {plain:.4g} ± {noise:.2g} of float32)"
    if abs(short - plain) > noise:
        return Decision("float32", f"in bfloat16 {STEPS} steps' loss is beyond the noise {figures}")
    if faster < _FASTER:
        return Decision("float32", f"bfloat16 is {faster:.2f} times as fast here, less than {_FASTER}")
    return Decision("mixed_bfloat16", f"{faster:.1f} times as fast, and {STEPS} steps' loss within the noise {figures}")


def decide(training: Training, measure: Measure | None = None, machine: Machine | None = None) -> Decision:
    """Choose for a training; nothing is written.

    Args:
        training: with `precision: auto`.
        measure: takes the steps; `take_steps` by default.
        machine: that it runs on; this one by default.
    """
    import tensorflow as tf

    if missing := _why_not(machine or this_machine()):
        return Decision("float32", missing)
    training.tell(f"Taking {STEPS} steps in float32 and in bfloat16, for `precision: auto`.")
    try:
        return judge(*(measure or take_steps)(training))
    except (UserError, TypeError, ValueError, tf.errors.OpError) as error:  # if float32 does, too, it will say so
        first_line = str(error).strip().partition("\n")[0]
        return Decision("float32", f"steps in both failed ({first_line})")


def _why_not(machine: Machine) -> str:
    """Why there is nothing to gain; empty where bfloat16 has instructions of its own."""
    import tensorflow as tf

    for gpu in tf.config.get_visible_devices("GPU"):
        capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", (0, 0))
        if capability < _CAPABILITY:
            return "the GPU has no bfloat16 arithmetic (mixed_float16 is only taken where it is stated)"
        return ""
    words = set((machine.read("proc/cpuinfo") or "").split())
    return "" if words & _INSTRUCTIONS else "the processor has no bfloat16 arithmetic, or does not say so"


def decided(training: Training) -> Training:
    """A training with its precision; where that is open, it is decided, told, and will be written down."""
    if training.config.training.precision != "auto":
        return training
    decision = decide(training)
    training.tell(f"{decision}.")
    section = training.config.training.model_copy(update={"precision": decision.chosen})
    config = training.config.model_copy(update={"training": section})
    return replace(training, config=config, notes={**training.notes, "precision": asdict(decision)})


def read_decision(experiment: Path, run: str | None = None) -> Decision | None:
    """What was decided for the runs of a grid; None where nothing was.

    Args:
        experiment: the folder of its runs.
        run: the name of one; None counts where it is not among those of the grid.

    Raises:
        UserError: the file is damaged.
    """
    path = experiment / NAME
    if not path.exists():
        return None
    try:
        record = json.loads(read_bytes(path).decode("utf-8"))
        decision, runs = Decision(record["chosen"], record["why"]), record["runs"]
        if decision.chosen not in CHOICES or not isinstance(decision.why, str):
            raise ValueError
        return decision if run is None or run in runs else None
    except (ValueError, KeyError, TypeError) as error:
        raise file_error(path, "is damaged. Remove it, and a precision is chosen anew.") from error


def write_decision(experiment: Path, decision: Decision, runs: Iterable[str]) -> None:
    """Write down what was decided for all runs of a grid, the first of which was measured.

    Raises:
        OSError: the file cannot be written.
    """
    experiment.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {**asdict(decision), "runs": list(runs)}
    write_json(experiment / NAME, record)


def _main() -> None:
    from cae.config import check_config
    from cae.engine import start_quickly
    from cae.workflows.training import TrainingJob, decide_precision

    start_quickly()
    job = TrainingJob(check_config(json.load(sys.stdin)), Path(sys.argv[1]), Path(sys.argv[2]), tell=lambda line: None)
    print(json.dumps(asdict(decide_precision(job))))


if __name__ == "__main__":
    _main()
