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
    *("comparison.json", "protocol.json", "results.json", "index.html"),
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
    match: Literal["none", "parameters"] = "none"
    """Of a grid: `parameters` adjusts decoder widths until models have as many as the first one, within 2%."""
