"""The whole configuration of a run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from cae.config.data import BundledData, DataSection
from cae.config.model import ModelSection
from cae.config.objective import ObjectiveSection
from cae.config.training import TrainingSection
from cae.section import PositiveInt, Section, says

Epochs = Annotated[tuple[PositiveInt, ...], Field(min_length=1, strict=False)]


class LoggingSection(Section):
    """Pictures and histograms; curves are always written."""

    probe_images: Annotated[int, Field(ge=1, le=64)] = 16
    """Validation images whose reconstructions are shown, the same in every run on the same data."""
    image_epochs: Literal["auto"] | PositiveInt | Epochs = "auto"
    """Epochs with pictures: auto (each at first, then ever more rarely), every so many epochs, or a list."""
    histograms: bool = False
    """Write histograms of weights and latent values each epoch."""
    tensorboard: bool = True
    """Write files for TensorBoard; trials of a grid's `tune` have none, so that they do not stand among the runs."""


# Names become folders: no separators, no leading dot, nothing a shell or a file system minds.
FolderName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._=,+-]{0,127}$"),
    says("a folder name: at most 128 letters, digits and ._=,+- that start with a letter, a digit or _"),
]
# What the program itself puts into the folder of an experiment or a run, or looks for there.
_OWN_NAMES = (
    *("comparison", "train", "validation", "evaluation", "visualization", "projector", "checkpoints"),
    *("config.yaml", "environment.json", "metrics.jsonl", "summary.json", "model.weights.h5", "reconstructions.png"),
    *("encoder.keras", "decoder.keras"),
    *("comparison.json", "protocol.json", "matching.json", "precision.json", "results.json", "index.html"),
)
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def why_not_a_folder(name: str) -> str | None:
    """Why a run or an experiment cannot have a name; None where it can.

    >>> why_not_a_folder("Train")
    'is a name that the program itself uses in the folders of runs and experiments'
    """
    if name.lower() in _OWN_NAMES or name.lower().startswith("events.out.tfevents"):
        return "is a name that the program itself uses in the folders of runs and experiments"
    if _WINDOWS_DEVICE.fullmatch(name):
        return "is the name of a device on Windows, where no folder can be called so"
    return "ends in a dot, which Windows leaves out" if name.endswith(".") else None


Values = Annotated[tuple[Any, ...], Field(min_length=1, strict=False), says("a list of at least one value")]
Positive = Annotated[float, Field(gt=0)]


class LogRange(Section):
    """Numbers between two ends, spread evenly over their logarithms."""

    low: Positive = 1e-4
    """The smallest."""
    high: Positive = 1e-2
    """The largest."""
    num: Annotated[int, Field(ge=2, le=100)] | None = None
    """How many a grid search tries, both ends included."""

    def at(self, share: float) -> float:
        """Return the number at a share of the way from the smallest to the largest: whole where both of them are.

        >>> LogRange(low=1e-4, high=1e-2).at(0.5), LogRange(low=16, high=256).at(0.75)
        (0.001, 128)
        """
        number = self.low * (self.high / self.low) ** share
        if self.low.is_integer() and self.high.is_integer():
            return round(number)
        return float(f"{number:.3g}")

    @property
    def spread(self) -> tuple[float, ...]:
        """What a grid search tries."""
        steps = (self.num or 1) - 1
        return tuple(dict.fromkeys(self.at(step / steps) for step in range(steps + 1))) if steps else ()


class TuneSection(Section):
    """Of a grid: what is tried on validation images for each decoder before its runs are trained with the best."""

    values: dict[str, Values | LogRange] = {}  # noqa: RUF012, since pydantic copies it
    """Dotted keys to lists of values, or to numbers on a logarithmic scale: {low: 1.0e-4, high: 1.0e-2}."""
    search: Literal["grid", "random", "halving", "tpe"] = "grid"
    """Every combination; `trials` drawn at random; these weeded (the better half goes on with twice the epochs); or
    `trials` that Optuna proposes one after another, by what those before reached (needs `pip install optuna`)."""
    trials: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Combinations that are drawn or proposed; the first one is the configuration's own values where they allow."""
    epochs: PositiveInt | None = None
    """Of each trial, and of the first round of halving; null for as many as the runs have."""
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**31)], ...], Field(min_length=1, max_length=100, strict=False)
    ] = (1000,)
    """Each trial's seeds, none of which a run may have; what counts is the mean of the best epochs' val_psnr."""


class RunConfig(Section):
    """One training run, or with a grid several."""

    experiment: FolderName = "default"
    """Folder of runs that belong together."""
    name: FolderName = "run"
    """Folder of this run within the experiment."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Fixes initial weights, data order, splits and noise."""
    data: DataSection = BundledData()
    """Which images, their size, and how they are split."""
    model: ModelSection = ModelSection()
    """Encoder, bottleneck and decoder."""
    objective: ObjectiveSection = ObjectiveSection()
    """What training makes small."""
    training: TrainingSection = TrainingSection()
    """How long and how the weights are changed."""
    logging: LoggingSection = LoggingSection()
    """What TensorBoard gets."""
    grid: dict[str, Values] = {}  # noqa: RUF012, since pydantic copies it
    """Dotted keys to lists of values; every combination is a run."""
    tune: TuneSection = TuneSection()
    """What is tried on validation images for each decoder of a grid."""
    match: Literal["none", "parameters", "macs", "time"] = "none"
    """Of a grid: scale decoder widths by one factor until models agree in weights, MACs as computed, or time a step."""
