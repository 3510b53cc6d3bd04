"""What must hold between keys, once each key by itself is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cae.config.data_checks import (
    Conflict,
    array_conflicts,
    fit_conflicts,
    size_conflicts,
    source_conflicts,
)
from cae.config.model import BilinearAdditive, EncoderSection, GroupNormalization, MaxPool, MaxUnpool, Upsampling
from cae.config.nodes import Path
from cae.config.run import RunConfig
from cae.config.training import CosineSchedule, Sgd

UPSAMPLING: Path = ("model", "decoder", "upsampling")
OUTPUT: Path = ("model", "decoder", "output_activation")
FILTERS: Path = ("model", "encoder", "filters")
DOWNSAMPLING: Path = ("model", "encoder", "downsampling")
GROUPS: Path = ("model", "encoder", "normalization", "groups")
RECONSTRUCTION: Path = ("objective", "reconstruction")
HUBER_DELTA: Path = ("objective", "huber_delta")
WARMUP: Path = ("training", "schedule", "warmup_epochs")
NESTEROV: Path = ("training", "optimizer", "nesterov")


def conflicts(config: RunConfig) -> Iterator[Conflict]:
    """Yield every disagreement between keys.

    A key that has no effect beside the others is one, too, unless it has its default value: a configuration
    may state everything, as the one in a run directory does.

    >>> config = RunConfig.model_validate({"model": {"encoder": {"downsampling": "average_pool"},
    ...                                              "decoder": {"upsampling": "max_unpool"}}})
    >>> [message for paths, message in conflicts(config)]
    ['max_unpool needs max_pool downsampling, which records the switches; received average_pool']
    """
    for check in _CHECKS:
        yield from check(config)


def _upsampling(config: RunConfig) -> Iterator[Conflict]:
    encoder, upsampling = config.model.encoder, config.model.decoder.upsampling
    num_stages = len(encoder.filters)
    if not isinstance(upsampling, tuple):
        yield from _kind(upsampling, encoder, range(num_stages), UPSAMPLING)
        return
    if len(upsampling) != num_stages:
        rule = f"the list needs one kind for each stage, and model.encoder.filters has {num_stages}"
        yield (UPSAMPLING, FILTERS), f"{rule}; received {len(upsampling)}"
    for stage, kind in enumerate(upsampling):
        yield from _kind(kind, encoder, range(stage, min(stage + 1, num_stages)), (*UPSAMPLING, stage))


def _kind(kind: Upsampling, encoder: EncoderSection, stages: range, path: Path) -> Iterator[Conflict]:
    """Check one upsampling kind for the decoder stages that it serves, counted from the code outwards."""
    if isinstance(kind, MaxUnpool) and not isinstance(encoder.downsampling, MaxPool):
        rule = "max_unpool needs max_pool downsampling, which records the switches"
        yield (path, DOWNSAMPLING), f"{rule}; received {encoder.downsampling.kind}"
    if isinstance(kind, BilinearAdditive):
        # It turns each factor^2 channels into one; a decoder stage has its encoder stage's filters.
        channels = encoder.downsampling.factor**2
        uneven = [filters for stage in stages if (filters := encoder.filters[-1 - stage]) % channels]
        if uneven:
            rule = f"bilinear_additive needs filters that are multiples of {channels} (the factor squared)"
            yield (path, FILTERS, DOWNSAMPLING), f"{rule}; received {_listed(uneven)}"


def _normalization(config: RunConfig) -> Iterator[Conflict]:
    normalization, filters = config.model.encoder.normalization, config.model.encoder.filters
    if isinstance(normalization, GroupNormalization):
        uneven = [num for num in filters if num % normalization.groups]
        if uneven:
            rule = f"groups must divide every stage's filters; {normalization.groups} does not divide"
            yield (GROUPS, FILTERS), f"{rule} {_listed(uneven)}"


def _objective(config: RunConfig) -> Iterator[Conflict]:
    objective, activation = config.objective, config.model.decoder.output_activation
    weights = objective.reconstruction.weights
    if not weights:
        yield (RECONSTRUCTION,), "at least one weight must be above 0, or the output is not tied to the image"
    if "bce" in weights and activation != "sigmoid":
        rule = "bce needs output_activation: sigmoid, since it takes pixels as probabilities"
        yield ((*RECONSTRUCTION, "bce"), OUTPUT), f"{rule}; received {activation}"
    if objective.huber_delta is not None and "huber" not in weights:
        yield (HUBER_DELTA, (*RECONSTRUCTION, "huber")), "huber_delta has no effect without a weight for huber"


def _training(config: RunConfig) -> Iterator[Conflict]:
    schedule, optimizer, epochs = config.training.schedule, config.training.optimizer, config.training.epochs
    if isinstance(schedule, CosineSchedule) and schedule.warmup_epochs > epochs:
        rule = f"warmup_epochs must be at most training.epochs, which is {epochs}"
        yield (WARMUP, ("training", "epochs")), f"{rule}; received {schedule.warmup_epochs:g}"
    if isinstance(optimizer, Sgd) and optimizer.nesterov and not optimizer.momentum:
        momentum: Path = ("training", "optimizer", "momentum")
        yield (NESTEROV, momentum), "nesterov: true needs a momentum above 0"


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, dict.fromkeys(numbers)))


_CHECKS: tuple[Callable[[RunConfig], Iterator[Conflict]], ...] = (
    source_conflicts,
    array_conflicts,
    fit_conflicts,
    size_conflicts,
    _upsampling,
    _normalization,
    _objective,
    _training,
)
