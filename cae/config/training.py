"""The `training` section: optimizer, schedule, precision, and when to stop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cae.config.data import FilePath
from cae.section import Choice, PositiveInt, Section

LearningRate = Annotated[float, Field(gt=0.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]


class Adam(Section):
    """Adam (Kingma and Ba 2015)."""

    name: Literal["adam"] = "adam"
    """Adam (Kingma and Ba 2015)."""
    learning_rate: LearningRate = 1e-3
    """Highest learning rate; the schedule starts from it."""
    beta_1: Decay = 0.9
    """Decay of the mean gradient."""
    beta_2: Decay = 0.999
    """Decay of the mean squared gradient."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-7
    """Keeps the division finite."""


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"  # type: ignore[assignment]
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 4e-3
    """Share of the learning rate by which kernels shrink each step."""


class Sgd(Section):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    """Stochastic gradient descent."""
    learning_rate: LearningRate = 1e-2
    """Highest learning rate; the schedule starts from it."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the last step that is repeated."""
    nesterov: bool = False
    """Look ahead along the momentum."""


class RmsProp(Section):
    """RMSprop (Tieleman and Hinton 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    """RMSprop (Tieleman and Hinton 2012)."""
    learning_rate: LearningRate = 1e-3
    """Highest learning rate; the schedule starts from it."""
    rho: Decay = 0.9
    """Decay of the mean squared gradient."""
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the last step that is repeated."""
    epsilon: Annotated[float, Field(gt=0.0)] = 1e-7
    """Keeps the division finite."""


Optimizer = Annotated[Adam | AdamW | Sgd | RmsProp, Field(discriminator="name"), Choice("name", default="adam")]


class ConstantSchedule(Section):
    """The same learning rate throughout."""

    kind: Literal["constant"] = "constant"
    """The same learning rate throughout."""


class CosineSchedule(Section):
    """Warm-up, then half a cosine down (Loshchilov and Hutter 2017)."""

    kind: Literal["cosine"] = "cosine"
    """Warm-up, then half a cosine down (Loshchilov and Hutter 2017)."""
    warmup_epochs: Annotated[float, Field(ge=0.0)] = 0.0
    """Epochs over which the learning rate rises from 0."""
    final_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """The last learning rate as a share of the highest."""


class StepSchedule(Section):
    """A factor every few epochs."""

    kind: Literal["step"] = "step"
    """Multiply the learning rate by `factor` every `every_epochs`."""
    every_epochs: PositiveInt = 10
    """Epochs between two drops."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the learning rate is multiplied by."""


class ExponentialSchedule(Section):
    """The same factor at every step."""

    kind: Literal["exponential"] = "exponential"
    """The learning rate falls a little with every step, by `factor` in `every_epochs`."""
    every_epochs: Annotated[float, Field(gt=0.0)] = 1.0
    """Epochs in which the learning rate falls by `factor`."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.95
    """What the learning rate is multiplied by in `every_epochs`."""


class PlateauSchedule(Section):
    """A factor whenever validation no longer improves."""

    kind: Literal["plateau"] = "plateau"
    """Multiply the learning rate by `factor` when `val_loss` no longer improves."""
    patience: PositiveInt = 5
    """Epochs without improvement after which the learning rate falls, and again after as many."""
    factor: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """What the learning rate is multiplied by."""
    min_learning_rate: Annotated[float, Field(ge=0.0)] = 0.0
    """The learning rate falls no further."""


Schedule = Annotated[
    ConstantSchedule | CosineSchedule | StepSchedule | ExponentialSchedule | PlateauSchedule,
    Field(discriminator="kind"),
    Choice("kind", default="constant"),
]


class EarlyStopping(Section):
    """Stop when validation no longer improves."""

    patience: PositiveInt = 10
    """Epochs without improvement after which training stops."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """How much lower `val_loss` must be to count as an improvement, here and for the `plateau` schedule."""


class TrainingSection(Section):
    """How long and how the weights are changed."""

    epochs: PositiveInt | Literal["auto"] = "auto"
    """Passes over the training images; auto is as many as make 2,000 steps, but from 10 to 500."""
    steps: PositiveInt | None = None
    """Instead of epochs: steps of the whole training; the last epoch ends with them."""
    batch_size: PositiveInt | Literal["auto"] = "auto"
    """Images in a step, of all devices; auto: a power of 2 from 8 to 128, for 32 steps an epoch and at most 2 GB."""
    optimizer: Optimizer = Adam()
    """How gradients change weights."""
    schedule: Schedule = ConstantSchedule()
    """How the learning rate changes, step by step."""
    global_clipnorm: Annotated[float, Field(gt=0.0)] | None = None
    """Scale all gradients down together where their norm is above this."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Type of the computation; weights, loss and output stay float32."""
    strategy: Literal["auto", "one_device", "mirrored", "multi_worker"] = "auto"
    """All local GPUs (auto, mirrored), the first device alone, or several processes (TF_CONFIG or Slurm)."""
    xla: Literal["auto"] | bool = "auto"
    """Compile the step with XLA; auto does so on a GPU only."""
    deterministic: bool = False
    """The same bits run after run on the same hardware."""
    early_stopping: EarlyStopping | None = None
    """Stop when `val_loss` no longer improves; null trains all epochs."""
    start_from: FilePath | None = None
    """A run whose best weights are the first ones, relative to the configuration file; null takes random ones."""
    checkpoint_minutes: Annotated[float, Field(gt=0.0)] = 10.0
    """A checkpoint is written after every epoch, and within an epoch after this many minutes."""

    @property
    def length(self) -> str:
        """How long training lasts, in words."""
        return f"{self.epochs} epochs" if self.steps is None else f"{self.steps} steps"

    @property
    def images_at_once(self) -> int:
        """For all that works on batches after training: `batch_size`, which a run's configuration always states."""
        return 128 if self.batch_size == "auto" else self.batch_size
