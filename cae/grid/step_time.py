"""Widths at which a training step takes as long as that of another model, measured in a process of its own."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from cae.grid.runner import compute_elsewhere
from cae.plan.matching import Widths, with_filters

if TYPE_CHECKING:
    from cae.config.model import ModelSection

HOW = (
    "Median time of a training step on random images, 10 calls of 5 steps each after 3 steps to warm up, all models in"
    " one process; 64 images a step where training.batch_size is auto. A decoder's widths are all times one factor,"
    " found by at most 5 such measurements; within 5% is near enough."
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


def match_times(models: Sequence[TimedModel]) -> list[Timed]:
    """Find each decoder's widths, in another process, whose memory is given back.

    Raises:
        UserError: a step cannot be taken.
    """
    if not models:
        return []
    values = [asdict(model) for model in models]
    found = compute_elsewhere("cae.grid.step_time", values, failed="match: time: steps could not be measured")
    return [(tuple(filters), seconds, wanted) for filters, seconds, wanted in found]


def match_time(section: ModelSection, channels: int, wanted: float, measure: Callable[[ModelSection], float]) -> Timed:
    """Scale a decoder's widths until a step takes as long as is wanted, as near as a few measurements come.

    Args:
        section: the `model` section.
        channels: of the image.
        wanted: seconds.
        measure: seconds that a step of a model takes.
    """
    widths, filters = Widths(section, channels), tuple(section.decoder_outputs)
    scale, measured = 1.0, dict[tuple[int, ...], float]()
    while filters not in measured and len(measured) < _MOST_TRIES:
        measured[filters] = seconds = measure(with_filters(section, filters))
        if abs(seconds - wanted) <= _NEAR_ENOUGH * wanted:
            break
        # Times grow with the width, or with its square.
        scale *= (wanted / seconds) ** 0.7
        filters = widths.times(scale)
    best = min(measured, key=lambda one: abs(measured[one] - wanted))
    return best, measured[best], wanted


def seconds_a_step(section: ModelSection, timed: TimedModel) -> float:
    """Measure a model's training step as `HOW` says; starts TensorFlow."""
    import keras
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
    median = statistics.median(take(_STEPS_A_CALL) for _ in range(_CALLS))
    keras.backend.clear_session()
    return median


def _main() -> None:
    from cae.config.model import ModelSection
    from cae.engine import start_engine

    start_engine()
    wanted: dict[str, float] = {}
    found = []
    for values in json.load(sys.stdin):
        timed = TimedModel(**{**values, "shape": tuple(values["shape"])})
        section, first = (ModelSection.model_validate_json(json.dumps(one)) for one in (timed.model, timed.first))
        key = json.dumps({**values, "model": None})
        if key not in wanted:
            wanted[key] = seconds_a_step(first, timed)
        if section == first:
            found.append((tuple(section.decoder_outputs), wanted[key], wanted[key]))
        else:
            found.append(
                match_time(section, timed.shape[2], wanted[key], lambda one, timed=timed: seconds_a_step(one, timed))  # type: ignore[misc]
            )
    print(json.dumps(found))


if __name__ == "__main__":
    _main()
