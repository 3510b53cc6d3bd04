"""Widths at which a training step takes as long as that of another model, measured in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cae.grid.runner import compute_elsewhere
from cae.plan.matching import Widths, with_filters

if TYPE_CHECKING:
    from cae.config.model import ModelSection

HOW = (
    "Median time of a training step on random images, 10 calls of 5 steps each after 3 steps to warm up, in turn with"
    " calls of the model whose time is wanted, in one process; 64 images a step where training.batch_size is auto. A"
    " decoder's widths are all times one factor, found by at most 5 such measurements; within 5% is near enough."
)
_CALLS, _STEPS_A_CALL, _WARM_UP, _AUTO_BATCH = 10, 5, 3, 64
_MOST_TRIES, _NEAR_ENOUGH = 5, 0.05


@dataclass(frozen=True)
class TimedModel:
    """What decides how long a step takes.

    Args:
        model: the `model` section, in plain values.
        first: that of the model whose time is wanted.
        objective: the `objective` section.
        training: `batch_size`, `precision` and `xla`, and the `optimizer` by its name.
        shape: of an image, (height, width, channels).
    """

    model: dict[str, Any]
    first: dict[str, Any]
    objective: dict[str, Any]
    training: dict[str, Any]
    shape: tuple[int, int, int]


# Widths from the code outwards, seconds a step, and seconds wanted.
Timed = tuple[tuple[int, ...], float, float]


def match_times(models: Sequence[TimedModel], *, here: bool) -> list[Timed]:
    """Find each decoder's widths, in another process, whose memory is given back.

    Args:
        models: those to be measured.
        here: do it in this process, which alone has what they need.

    Raises:
        UserError: a step cannot be taken.
    """
    if not models:
        return []
    values = [asdict(model) for model in models]
    if here:
        return _find_widths(values)
    found = compute_elsewhere("cae.grid.step_time", values, failed="match: time: steps could not be measured")
    return [(tuple(filters), seconds, wanted) for filters, seconds, wanted in found]


def match_time(section: ModelSection, channels: int, measure: Callable[[ModelSection], tuple[float, float]]) -> Timed:
    """Scale a decoder's widths until a step takes as long as is wanted, as near as a few measurements come.

    Args:
        section: the `model` section.
        channels: of the image.
        measure: seconds that a step of a model takes, and those that are wanted, measured at the same time: what else
            the machine does makes both longer.
    """
    widths, filters = Widths(section, channels), tuple(section.decoder_outputs)
    scale, measured = 1.0, dict[tuple[int, ...], tuple[float, float]]()
    while filters not in measured and len(measured) < _MOST_TRIES:
        measured[filters] = seconds, wanted = measure(with_filters(section, filters))
        if abs(seconds - wanted) <= _NEAR_ENOUGH * wanted:
            break
        # Times grow with the width, or with its square.
        scale *= (wanted / seconds) ** 0.7
        filters = widths.times(scale)
    best = min(measured, key=lambda one: abs(measured[one][0] / measured[one][1] - 1))
    return best, *measured[best]


# Takes so many steps, and tells the seconds of one.
_Take = Callable[[int], float]


def seconds_a_step(one: _Take, first: _Take) -> tuple[float, float]:
    """Measure two models' training steps in turn, as `HOW` says: the second's is its median, the other's in proportion.

    >>> takes = iter([1.0, 2.0, 1.1, 2.2, 3.0, 6.0, *[1.0, 2.0] * 7])  # the machine was busy for a while
    >>> seconds_a_step(lambda number: next(takes), lambda number: next(takes))
    (1.0, 2.0)
    """
    both = [(one(_STEPS_A_CALL), first(_STEPS_A_CALL)) for _ in range(_CALLS)]
    wanted = statistics.median(seconds for _, seconds in both)
    return wanted * statistics.median(seconds / other for seconds, other in both), wanted


def make_steps(section: ModelSection, timed: TimedModel) -> _Take:
    """Build a model that takes training steps on random images; it has warmed up. Starts TensorFlow."""
    import tensorflow as tf

    from cae.config import check_config
    from cae.model import build_autoencoder
    from cae.plan import make_plan
    from cae.training.amount import Amount
    from cae.training.distribution.strategy import make_strategy, uses_xla
    from cae.training.objective import Objective
    from cae.training.optimizer import make_optimizer
    from cae.training.step import Steps

    training = (
        {**timed.training, "batch_size": _AUTO_BATCH} if timed.training["batch_size"] == "auto" else timed.training
    )
    config = check_config({"objective": timed.objective, "training": training})
    section_of_training, strategy = config.training, make_strategy("one_device")
    with strategy.scope():
        autoencoder = build_autoencoder(make_plan(section, timed.shape), precision=section_of_training.precision)
        optimizer = make_optimizer(section_of_training, Amount(1, steps_per_epoch=100, steps=100))
        optimizer.build(autoencoder.model.trainable_variables)
        steps = Steps(
            autoencoder,
            optimizer,
            Objective(config.objective),
            config.objective.corruption,
            seed=0,
            strategy=strategy,
            xla=uses_xla(section_of_training.xla, strategy),
        )
    images = tf.random.uniform((training["batch_size"], *timed.shape), seed=0)
    batches = iter(tf.data.Dataset.from_tensors(images).repeat())

    def take(number: int) -> float:
        started = time.perf_counter()
        steps.train(batches, tf.constant(number, tf.int64), steps.zero_sums()).numpy()
        return (time.perf_counter() - started) / number

    take(_WARM_UP)
    return take


def _measure(section: ModelSection, timed: TimedModel, first: _Take) -> tuple[float, float]:
    return seconds_a_step(make_steps(section, timed), first)


def _find_widths(models: Sequence[dict[str, Any]]) -> list[Timed]:
    from cae.config.model import ModelSection
    from cae.config.registration import load_installed
    from cae.engine import start_engine

    start_engine()
    load_installed((), [json.dumps(models)])
    firsts: dict[str, _Take] = {}
    found: list[Timed] = []
    for values in models:
        timed = TimedModel(**{**values, "shape": tuple(values["shape"])})
        section, first = (ModelSection.model_validate_json(json.dumps(one)) for one in (timed.model, timed.first))
        key = json.dumps({**values, "model": None})
        if key not in firsts:
            firsts[key] = make_steps(first, timed)
        take_first = firsts[key]
        if section == first:
            seconds = statistics.median(take_first(_STEPS_A_CALL) for _ in range(_CALLS))
            found.append((tuple(section.decoder_outputs), seconds, seconds))
        else:
            found.append(match_time(section, timed.shape[2], partial(_measure, timed=timed, first=take_first)))
    return found


def _main() -> None:
    from cae.engine import start_quickly

    start_quickly()
    print(json.dumps(_find_widths(json.load(sys.stdin))))


if __name__ == "__main__":
    _main()
