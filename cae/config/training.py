"""The `training` section: optimizer, schedule, precision, and when to stop."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from cae.config.data import FilePath
from cae.messages import number_of
from cae.section import Choice, KerasObject, PositiveInt, Section

LearningRate = Annotated[float, Field(gt=0.0)]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class _Optimizer(Section):
    """What every optimizer has."""

    name: str = ""
    """Which one it is: Keras' name in small letters."""
    learning_rate: LearningRate = 1e-3
    """Highest learning rate; the schedule starts from it."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    """Share of the learning rate by which weights shrink each step, whatever their gradient is."""

    @property
    def slots(self) -> int:
        """How many numbers it keeps for each weight."""
        return 2


class _Moments(_Optimizer):
    """What optimizers have that keep a mean gradient and a mean squared gradient."""

    beta_1: Decay = 0.9
    """Decay of the mean gradient."""
    beta_2: Decay = 0.999
    """Decay of the mean squared gradient."""
    epsilon: Positive = 1e-7
    """Keeps the division finite."""


class Adam(_Moments):
    """Adam (Kingma and Ba 2015)."""

    name: Literal["adam"] = "adam"
    """Adam (Kingma and Ba 2015)."""


class AdamW(_Moments):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 4e-3
    """Share of the learning rate by which weights shrink each step, whatever their gradient is."""


class Nadam(_Moments):
    """Adam with Nesterov momentum (Dozat 2015)."""

    name: Literal["nadam"] = "nadam"
    """Adam with Nesterov momentum (Dozat 2015)."""


class Adamax(_Moments):
    """Adam with the largest gradient in the place of the mean squared one (Kingma and Ba 2015, section 7)."""

    name: Literal["adamax"] = "adamax"
    """Adam with the largest gradient in the place of the mean squared one (Kingma and Ba 2015, section 7)."""


class Lamb(_Moments):
    """Adam with steps as long as each layer's weights are large, for large batches (You et al. 2020)."""

    name: Literal["lamb"] = "lamb"
    """Adam with steps as long as each layer's weights are large, for large batches (You et al. 2020)."""


class Lion(_Optimizer):
    """The sign of a mean gradient (Chen et al. 2023)."""

    name: Literal["lion"] = "lion"
    """The sign of a mean gradient (Chen et al. 2023); its learning rate is a third to a tenth of Adam's."""
    learning_rate: LearningRate = 3e-4
    """Highest learning rate; the schedule starts from it."""
    beta_1: Annotated[float, Field(gt=0.0, le=1.0)] = 0.9
    """Share of the mean gradient in a step, the rest being the newest one."""
    beta_2: Decay = 0.99
    """Decay of the mean gradient."""

    @property
    def slots(self) -> int:
        """See `_Optimizer`."""
        return 1


class Muon(_Optimizer):
    """Orthogonal steps for matrices (Jordan et al. 2024; Liu et al. 2025)."""

    name: Literal["muon"] = "muon"
    """Orthogonal steps for the matrices of dense layers (Jordan et al. 2024); AdamW for all else, convolutions too."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 4e-3
    """Share of the learning rate by which weights shrink each step, whatever their gradient is."""
    momentum: Decay = 0.95
    """Share of the last step that is repeated, for matrices."""
    adam_beta_1: Decay = 0.9
    """Decay of the mean gradient, for all else."""
    adam_beta_2: Decay = 0.999
    """Decay of the mean squared gradient, for all else."""
    epsilon: Positive = 1e-7
    """Keeps the division finite."""


class Adafactor(_Optimizer):
    """Mean squared gradients by rows and columns (Shazeer and Stern 2018)."""

    name: Literal["adafactor"] = "adafactor"
    """Mean squared gradients by rows and columns, steps relative to weights (Shazeer and Stern 2018)."""
    learning_rate: LearningRate = 1e-2
    """Highest learning rate, relative to a layer's weights; the schedule starts from it."""
    beta_2_decay: Annotated[float, Field(lt=0.0)] = -0.8
    """Exponent of the step by which the decay of the mean squared gradient nears 1."""
    clip_threshold: Positive = 1.0
    """Steps of a layer are scaled down to this root mean square."""
    relative_step: bool = True
    """Keep a constant learning rate below one over the root of the number of steps."""


class Adagrad(_Optimizer):
    """Steps divided by all squared gradients so far (Duchi et al. 2011)."""

    name: Literal["adagrad"] = "adagrad"
    """Steps divided by all squared gradients so far (Duchi et al. 2011)."""
    learning_rate: LearningRate = 1e-2
    """Highest learning rate; the schedule starts from it."""
    initial_accumulator_value: Annotated[float, Field(ge=0.0)] = 0.1
    """What the sum of squared gradients starts from."""
    epsilon: Positive = 1e-7
    """Keeps the division finite."""

    @property
    def slots(self) -> int:
        """See `_Optimizer`."""
        return 1


class Adadelta(_Optimizer):
    """Steps as long as the last ones were (Zeiler 2012)."""

    name: Literal["adadelta"] = "adadelta"
    """Steps as long as the last ones were (Zeiler 2012)."""
    learning_rate: LearningRate = 1.0
    """Highest learning rate, 1 in the paper; the schedule starts from it."""
    rho: Decay = 0.95
    """Decay of the mean squared gradient and of the mean squared step."""
    epsilon: Positive = 1e-7
    """Keeps the division finite."""


class Ftrl(_Optimizer):
    """Follow the regularised leader (McMahan et al. 2013)."""

    name: Literal["ftrl"] = "ftrl"
    """Follow the regularised leader (McMahan et al. 2013)."""
    learning_rate: LearningRate = 1e-2
    """Highest learning rate; the schedule starts from it."""
    initial_accumulator_value: Annotated[float, Field(ge=0.0)] = 0.1
    """What the sum of squared gradients starts from."""
    l1_regularization_strength: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the sum of absolute weights."""
    l2_regularization_strength: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the sum of squared weights."""


class RmsProp(_Optimizer):
    """RMSprop (Tieleman and Hinton 2012)."""

    name: Literal["rmsprop"] = "rmsprop"
    """RMSprop (Tieleman and Hinton 2012)."""
    rho: Decay = 0.9
    """Decay of the mean squared gradient."""
    momentum: Decay = 0.0
    """Share of the last step that is repeated."""
    epsilon: Positive = 1e-7
    """Keeps the division finite."""
    centered: bool = False
    """Divide by the standard deviation of the gradient, not by its root mean square."""

    @property
    def slots(self) -> int:
        """See `_Optimizer`."""
        return 1 + (self.momentum > 0.0) + self.centered


class Sgd(_Optimizer):
    """Stochastic gradient descent."""

    name: Literal["sgd"] = "sgd"
    """Stochastic gradient descent."""
    learning_rate: LearningRate = 1e-2
    """Highest learning rate; the schedule starts from it."""
    momentum: Decay = 0.0
    """Share of the last step that is repeated."""
    nesterov: bool = False
    """Look ahead along the momentum."""

    @property
    def slots(self) -> int:
        """See `_Optimizer`."""
        return int(self.momentum > 0.0)


class KerasOptimizer(KerasObject, _Optimizer):
    """An optimizer with all of Keras' arguments, or one that a Python program handed over."""

    name: Literal["keras"] = "keras"
    """Any optimizer by `class_name`, with all of Keras' arguments in `config`; cae.train(optimizer=...) fills it in."""
    class_name: str = "Adam"
    """Keras' name of the class; of your own ones with module."""


class OwnOptimizer(_Optimizer):
    """A class that a program or a package has registered."""

    options: dict[str, Any] = {}  # noqa: RUF012, since pydantic copies it
    """Arguments of the class besides the learning rate."""

    part: ClassVar[Any]
    """The class."""


BuiltInOptimizer = (
    Adam
    | AdamW
    | Sgd
    | RmsProp
    | Nadam
    | Adamax
    | Lamb
    | Lion
    | Muon
    | Adafactor
    | Adagrad
    | Adadelta
    | Ftrl
    | KerasOptimizer
)
OPTIMIZERS: list[type[_Optimizer]] = list(get_args(BuiltInOptimizer))
"""What a configuration chooses from."""
Optimizer = Annotated[BuiltInOptimizer, Choice("name", default="adam", sections=OPTIMIZERS)]


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


class KerasSchedule(KerasObject):
    """A schedule of Keras, or one that a Python program handed over."""

    kind: Literal["keras"] = "keras"
    """Any schedule of Keras by `class_name`, in steps; its `config` has the rates."""
    class_name: str = "PolynomialDecay"
    """Keras' name of the class; of your own ones with module."""


Schedule = Annotated[
    ConstantSchedule | CosineSchedule | StepSchedule | ExponentialSchedule | PlateauSchedule | KerasSchedule,
    Field(discriminator="kind"),
    Choice("kind", default="constant"),
]


class EarlyStopping(Section):
    """Stop when validation no longer improves."""

    patience: PositiveInt = 10
    """Epochs without improvement after which training stops."""
    min_delta: Annotated[float, Field(ge=0.0)] = 0.0
    """How much lower `val_loss` must be to count as an improvement, here and for the `plateau` schedule."""


class WeightAveraging(Section):
    """An exponential moving average of the weights (after Polyak and Juditsky 1992)."""

    momentum: Decay = 0.999
    """Share of the average that stays in each step; less in the first steps, so that a short training gains too."""


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
    ema: WeightAveraging | None = None
    """Average the weights over steps as well; each epoch validates both, and the better ones are kept."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    """Type of the computation; weights, loss and output stay float32. auto: bfloat16 where faster and as good."""
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
    def slots(self) -> int:
        """Numbers that are kept for each weight besides itself: those of the optimizer, and the average."""
        return self.optimizer.slots + (self.ema is not None)

    @property
    def planned_precision(self) -> str:
        """`precision`, for what is said before training: `auto` takes as much memory as float32, or less."""
        return "float32" if self.precision == "auto" else self.precision

    @property
    def length(self) -> str:
        """How long training lasts, in words."""
        number, noun = (self.epochs, "epoch") if self.steps is None else (self.steps, "step")
        return number_of(number, noun) if isinstance(number, int) else f"{number} {noun}s"

    @property
    def images_at_once(self) -> int:
        """For all that works on batches after training: `batch_size`, which a run's configuration always states."""
        return 128 if self.batch_size == "auto" else self.batch_size
