"""summary.json: how a training ended, and what makes its result doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cae.data.pixels import to_float
from cae.errors import RunWarning, UserError, as_json
from cae.kinds.convolutions import flat
from cae.kinds.operations import Activation
from cae.measures.verdict import FEW_STEPS, MOST_OF_FIRST_STATISTICS, below_block_klt, largest_momentum, longer
from cae.messages import number_of
from cae.runs.checksums import write_last
from cae.runs.read_back import peak_memory_bytes
from cae.training.amount import Amount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cae.config import RunConfig
    from cae.config.training import TrainingSection
    from cae.data.image_set import ImageSet, Splits
    from cae.model import Autoencoder
    from cae.plan import Plan
    from cae.runs.directory import RunDirectory
    from cae.training.outcome import Outcome
    from cae.training.state import TrainingState
    from cae.training.step import Steps


# Outputs vary if they do so by a hundredth of what images do.
_LEAST_SPREAD = 0.01
# What is looked at when training has ended.
_MOST_IMAGES, _MOST_VALUES, _IMAGES_FOR_UNITS = 1024, 2**24, 16
_OTHER_RATE = "Change training.optimizer.learning_rate (lower where the loss jumps, higher where it hardly falls)"
# Validation still improves if the last quarter of the epochs brought as much ...
_STILL_RISING_DB = 0.25
# ... or, where the learning rate has fallen this far, so that any training ends flat, if the second half brought this.
# `compare_decoders.yaml`, conv_transpose: of 5 epochs with a cosine the last quarter brings 0.04 dB and the second half
# 1.3 dB, and with 20 epochs it is 2.7 dB better: 1.35 dB with each doubling.
_FALLEN_RATE, _HALF_RISING_DB = 0.1, 0.5


def foreseen(section: TrainingSection, plan: Plan, num_images: int) -> list[RunWarning]:
    """Find what is doubtful before the first step.

    >>> from cae.config import RunConfig
    >>> from cae.plan import make_plan
    >>> config = RunConfig.model_validate({"training": {"epochs": 10, "batch_size": 128}})
    >>> [warning.code for warning in foreseen(config.training, make_plan(config.model, (28, 28, 1)), num_images=210)]
    ['few_steps']

    Args:
        section: the `training` section, with nothing left open.
        plan: of the model.
        num_images: for training.
    """
    amount = Amount.of(section, num_images)
    remedy = _for_steps(section, plan, num_images)
    return [*_few_steps(amount, num_images, remedy), *_unconverged_statistics(plan, amount, remedy)]


def _few_steps(amount: Amount, num_images: int, remedy: str) -> Iterable[RunWarning]:
    if amount.steps < FEW_STEPS:
        yield RunWarning(
            "few_steps",
            f"the whole training has {number_of(amount.steps, 'step')}, too few to learn much:"
            f" {number_of(num_images, 'image')} in batches of {amount.batch_size} make {amount.steps_per_epoch} an"
            f" epoch. {remedy}",
        )


def _unconverged_statistics(plan: Plan, amount: Amount, remedy: str) -> Iterable[RunWarning]:
    momentum = largest_momentum(plan)
    left = momentum**amount.steps
    if left > MOST_OF_FIRST_STATISTICS:
        yield RunWarning(
            "unconverged_statistics",
            f"batch normalisation with momentum {momentum:g} keeps {left:.0%} of its first mean and variance after"
            f" {number_of(amount.steps, 'step')}, so that validation is much worse than training. Lower"
            f" model.encoder.normalization.momentum to 0.9, or train for more steps. {remedy}",
        )


def _for_steps(section: TrainingSection, plan: Plan, num_images: int) -> str:
    """The remedy for too few steps, with the number that a verdict tells to try, too."""
    number = longer(section, plan, num_images)
    if section.steps is not None:
        return f"Raise training.steps to {number} or more."
    return f"Raise training.epochs to {number} or more, or set it and training.batch_size to `auto`."


class Spread:
    """How much images and their reconstructions vary, added up batch by batch."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: list[Any] = [0.0, 0.0]  # of each pixel, (height, width, channels), of images and reconstructions
        self._squares = [0.0, 0.0]

    def add(self, images: np.ndarray, reconstructions: np.ndarray) -> None:
        """Take a batch, each (batch, height, width, channels)."""
        self._count += len(images)
        for number, batch in enumerate((images, reconstructions)):
            values = np.asarray(batch, np.float64)
            self._sums[number] = self._sums[number] + values.sum(axis=0)
            self._squares[number] += float(np.square(values).sum())

    def doubts(self) -> list[RunWarning]:
        """Say whether reconstructions are all alike where images are not."""
        images, outputs = map(self._deviations, (0, 1))
        if outputs.everywhere <= _LEAST_SPREAD * images.everywhere and images.everywhere > 0:
            found = f"every pixel of every reconstruction is about {outputs.mean:.3f}"
        elif outputs.between_images <= _LEAST_SPREAD * images.between_images and images.between_images > 0:
            found = "the reconstruction is the same picture whatever the image is"
        else:
            return []
        return [
            RunWarning(
                "output_constant",
                f"{found}: the model has learned nothing of the images. {_OTHER_RATE}, take leaky_relu or gelu"
                " as an activation (model.encoder.activation), or train for more steps.",
            )
        ]

    def _deviations(self, number: int) -> _Deviations:
        """Standard deviations of images (0) or reconstructions (1)."""
        mean_square = self._squares[number] / (self._count * np.size(self._sums[number]))
        mean_image = self._sums[number] / self._count
        mean = float(mean_image.mean())
        between = mean_square - float(np.square(mean_image).mean())
        return _Deviations(mean, math.sqrt(max(0.0, mean_square - mean**2)), math.sqrt(max(0.0, between)))


class _Deviations(NamedTuple):
    mean: float
    everywhere: float
    """Over all pixels of all images."""
    between_images: float
    """Over images, at the same pixel."""


def below_mean_image(mse: float, mse_of_mean_image: float) -> list[RunWarning]:
    """Say whether a model is no better than the mean image of its training part, which knows nothing of an image.

    Args:
        mse: of the model's reconstructions.
        mse_of_mean_image: of the same images.
    """
    if mse < mse_of_mean_image or mse_of_mean_image == 0.0:
        return []
    return [
        RunWarning(
            "below_mean_image",
            f"the mean squared error, {mse:.3g}, is no better than that of the mean training image, which is"
            f" {mse_of_mean_image:.3g}. {_OTHER_RATE}, or train for more steps (training.epochs).",
        )
    ]


def not_converged(rows: Sequence[Mapping[str, Any]]) -> list[RunWarning]:
    """Say whether validation was still improving when training came to its last epoch, or would with more of them.

    A falling learning rate ends every training flat, a short one too. Its gain over the second half of the epochs
    is about what twice as many would bring.

    >>> rising = [{"epoch": epoch, "val_psnr": 20.0 + epoch} for epoch in range(1, 9)]
    >>> [warning.code for warning in not_converged(rising)]
    ['not_converged']
    >>> not_converged([*rising, *({"epoch": epoch, "val_psnr": 28.0} for epoch in range(9, 13))])
    []
    >>> short = [{"epoch": epoch, "val_psnr": psnr, "learning_rate": rate}
    ...          for epoch, psnr, rate in ((1, 18.0, 5e-3), (2, 19.5, 4e-3), (3, 20.4, 2e-3), (4, 20.7, 5e-5))]
    >>> "second half" in not_converged(short)[0].message
    True

    Args:
        rows: of metrics.jsonl.
    """
    if len(rows) < 2:
        return []
    if rows[-1].get("learning_rate", 1.0) < _FALLEN_RATE * max(row.get("learning_rate", 0.0) for row in rows):
        gain = rows[-1]["val_psnr"] - rows[len(rows) // 2 - 1]["val_psnr"]
        return [] if gain < _HALF_RISING_DB else [_too_short(gain)]
    before = rows[-1 - max(1, len(rows) // 4)]
    gain, epochs = rows[-1]["val_psnr"] - before["val_psnr"], rows[-1]["epoch"] - before["epoch"]
    if gain < _STILL_RISING_DB:
        return []
    return [
        RunWarning(
            "not_converged",
            f"validation was still improving when training ended: {gain:.2f} dB in the last"
            f" {'epoch' if epochs == 1 else f'{epochs} epochs'}. Train for longer: resume the run with a higher"
            " training.epochs (or training.steps, where it is set).",
        )
    ]


def _too_short(gain: float) -> RunWarning:
    return RunWarning(
        "not_converged",
        f"the second half of the epochs brought {gain:.2f} dB of PSNR, until the learning rate had fallen as planned."
        " Twice as many epochs may bring about as much again: train from the start with a higher training.epochs.",
    )


def measured(splits: Splits, steps: Steps, config: RunConfig, batch_size: int) -> list[RunWarning]:
    """Look at what the present weights make of validation images, beside the mean and the blocks of training images.

    Both are even samples: at most 1,024 images, or as many as have 16 million values.
    """
    from cae.training.tensorboard import ProbeImages  # imports TensorFlow, which takes time

    images, training = _sample(splits.validation), _sample(splits.train)
    probes = ProbeImages(images, (), batch_size, len(images))
    inputs, _, reconstructions = probes.reconstruct(steps)
    spread = Spread()
    spread.add(images, reconstructions)
    mse = float(np.square(reconstructions - images).mean(dtype=np.float64))
    mse_of_mean = float(np.square(training.mean(axis=0, dtype=np.float64) - images).mean())
    return [
        *spread.doubts(),
        *_dead_layer(steps.autoencoder, inputs[:_IMAGES_FOR_UNITS]),
        *below_mean_image(mse, mse_of_mean),
        *below_block_klt(images, reconstructions, training, steps.autoencoder.plan, config, len(splits.train)),
    ]


def _sample(images: ImageSet) -> np.ndarray:
    most = min(_MOST_IMAGES, max(16, _MOST_VALUES // math.prod(images.image_shape)))
    positions = np.unique(np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.int64))
    return to_float(images.read(positions))


def _dead_layer(autoencoder: Autoencoder, images: np.ndarray) -> Iterable[RunWarning]:
    """The first layer none of whose units tells one image from another."""
    import keras

    if not np.ptp(images, axis=0).any():
        return
    latent, switches = autoencoder.encode(images)
    plan = autoencoder.plan
    given_to_decoder = [latent, *switches] if switches else latent
    parts = ((autoencoder.encoder, plan.encoder, images), (autoencoder.decoder, plan.decoder, given_to_decoder))
    for model, operations, given in parts:
        names = [one.name for one in flat(operations) if isinstance(one, Activation)]
        if not names:
            continue
        maps = keras.Model(model.input, [model.get_layer(name).output for name in names])(given)
        for name, values in zip(names, maps if len(names) > 1 else [maps], strict=True):
            if not np.ptp(np.asarray(values, np.float32), axis=0).any():
                yield RunWarning(
                    "dead_layer",
                    f"every unit of {name} gives the same for every image: nothing of an image gets through. Lower"
                    " training.optimizer.learning_rate, or take leaky_relu or gelu as an activation"
                    " (model.encoder.activation).",
                )
                return


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
    counters = state.counters
    summary = {
        "status": outcome.value,
        **({"error": error} if error else {}),
        "warnings": as_json(warnings),
        "best": counters.best_metrics,
        **({} if state.steps.average is None else {"kept_weights": "average" if state.keeps_average else "raw"}),
        "last": counters.last_metrics,
        "epochs": counters.epoch,
        "steps": state.step,
        **_start_of(run),
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


def _start_of(run: RunDirectory) -> dict[str, Any]:
    """What environment.json has of the start: first weights that were not random, a precision that was left open."""
    try:
        environment = run.read_environment()
    except UserError:  # damaged: no reason to lose a summary
        return {}
    return {key: environment[key] for key in ("start_from", "init", "precision") if environment.get(key)}


def hyperparameters(config: RunConfig, plan: Plan) -> Leaves:
    """Leaves of the configuration that TensorBoard can sort runs by, upsampling kind first.

    >>> from cae.config import RunConfig
    >>> from cae.plan import make_plan
    >>> config = RunConfig()
    >>> found = hyperparameters(config, make_plan(config.model, (28, 28, 1)))
    >>> found["upsampling"], found["training.optimizer.name"]
    ('conv_transpose', 'adam')
    """
    values: Leaves = {"upsampling": config.model.upsampling_kinds, "seed": config.seed}
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
