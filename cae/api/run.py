"""What a training leaves, as objects."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cae.api.trained import evaluate, load
from cae.errors import UserError
from cae.run_warning import RunWarning
from cae.runs import RunDirectory

if TYPE_CHECKING:
    from cae.commands.evaluate import Split
    from cae.inference import TrainedAutoencoder


class Run:
    """A run directory; whatever takes a path takes a run as well.

    Example:
        >>> run = Run("runs/quickstart/conv_transpose")
        >>> run.path.name
        'conv_transpose'

    Args:
        path: RUNS_DIR/EXPERIMENT/NAME.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.directory = RunDirectory(Path(path))

    @property
    def path(self) -> Path:
        """Where it is: config.yaml, summary.json, metrics.jsonl, model.weights.h5, reconstructions.png and others."""
        return self.directory.path

    @property
    def status(self) -> str | None:
        """`finished`, `stopped_early`, `interrupted` or `failed`; None while it is trained, or after it was killed."""
        return self.directory.status

    @property
    def summary(self) -> dict[str, Any]:
        """What summary.json says: `status`, metrics of the `best` and the `last` epoch, sizes, seconds.

        Raises:
            UserError: There is none yet, or it is damaged.
        """
        return self.directory.read_summary()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """One row for each epoch, as in metrics.jsonl: `epoch`, `loss`, `val_loss`, `val_psnr` and others."""
        return self.directory.read_metrics()

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """What makes it doubtful: each with a `code` and a `message` that names the remedy; empty if nothing does."""
        return tuple(self.directory.read_warnings())

    def load(self) -> TrainedAutoencoder:
        """Load its best weights; see `cae.load`."""
        return load(self)

    def evaluate(self, split: Split = "test") -> dict[str, Any]:
        """Measure it; see `cae.evaluate`."""
        return evaluate(self, split=split)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"Run({os.fspath(self)!r}, status={self.status!r})"


class TrainingResult:
    """What `cae.train` has trained: one run, or with a grid several.

    `path`, `status`, `summary`, `metrics`, `load` and `evaluate` are those of the only run. It is a path itself, as
    runs are, and gives its runs one by one.

    Args:
        runs: In the grid's order.
        experiment: The folder that they lie in.
    """

    def __init__(self, runs: Sequence[Run], experiment: Path) -> None:
        self.runs = tuple(runs)
        self.experiment = experiment

    @property
    def run(self) -> Run:
        """The only run.

        Raises:
            UserError: There are several.
        """
        if len(self.runs) != 1:
            names = ", ".join(run.path.name for run in self.runs)
            raise UserError(f"{self.experiment}: has several runs, choose one of `runs`: {names}.")
        return self.runs[0]

    @property
    def path(self) -> Path:
        """The run directory; that of the experiment where there are several."""
        return self.runs[0].path if len(self.runs) == 1 else self.experiment

    @property
    def status(self) -> str | None:
        """See `Run.status`."""
        return self.run.status

    @property
    def summary(self) -> dict[str, Any]:
        """See `Run.summary`."""
        return self.run.summary

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """See `Run.metrics`."""
        return self.run.metrics

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """Those of all its runs, each once; see `Run.warnings`."""
        return tuple(dict.fromkeys(warning for run in self.runs for warning in run.warnings))

    def load(self) -> TrainedAutoencoder:
        """See `cae.load`."""
        return self.run.load()

    def evaluate(self, split: Split = "test") -> dict[str, Any]:
        """See `cae.evaluate`."""
        return self.run.evaluate(split)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        return f"TrainingResult({list(self.runs)!r})"
