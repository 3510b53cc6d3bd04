"""What `import cae` offers: the commands, with objects instead of files and exceptions instead of exit codes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from cae.config import RunConfig, check_config, load_config
from cae.config.yaml.files import PLACE
from cae.errors import ConfigError, RunWarning, UserError
from cae.runs import RunDirectory, open_run

if TYPE_CHECKING:
    from cae.inference import TrainedAutoencoder
    from cae.training.range_test import RangeTest
    from cae.workflows.evaluation import Split
    from cae.workflows.training import TrainingJob


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
            UserError: there is none yet, or it is damaged.
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
        runs: in the grid's order.
        experiment: the folder that they lie in.
    """

    def __init__(self, runs: Sequence[Run], experiment: Path) -> None:
        self.runs = tuple(runs)
        self.experiment = experiment

    @property
    def run(self) -> Run:
        """The only run.

        Raises:
            UserError: there are several.
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


def load(run: str | os.PathLike[str], *, tell: Callable[[str], None] = print) -> TrainedAutoencoder:
    """Load a run's best weights, for images in NumPy arrays; starts TensorFlow.

    Nothing in the run is executed: its model is built from config.yaml, and the weights are numbers.

    Example:
        model = cae.load("runs/quickstart/conv_transpose")
        reconstructions = model.reconstruct(images)  # float32 in [0, 1], the images' shape
        codes = model.encode(images)  # (batch, *model.code_shape)

    Args:
        run: the run directory, or what `train` gave.
        tell: is given a line for the user, when the run is not finished or images are doubtful.

    Raises:
        UserError: there is no such run, or it is damaged.
    """
    from cae.inference import TrainedAutoencoder

    return TrainedAutoencoder.load(Path(run), tell)


def evaluate(
    run: str | os.PathLike[str],
    *,
    split: Split = "test",
    out: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    features: bool | None = None,
    again: bool = False,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure a run on images that it was not trained on, beside its baselines and controls.

    Writes what `evaluate.py RUN` writes. What was measured already, with nothing changed since, is read back.

    Example:
        results = cae.evaluate("runs/quickstart/conv_transpose")
        results["psnr"], results["baselines"]["pca"]["psnr"]

    Args:
        run: the run directory, or what `train` gave.
        split: `test`, `validation` or `train`.
        out: folder for the files; None for RUN/evaluation.
        overrides: `data.KEY=VALUE`, for images that are elsewhere now.
        features: what the codes are worth, with probes on labels and pictures; None for images with labels.
        again: measure it afresh all the same.
        tell: is given a line for the user now and then.

    Returns:
        What `results.json` holds: means over images of `mse`, `mae`, `psnr` (dB), `ssim` and others, `baselines`,
        `floors`, `verdict`, `ablations`, `artefacts`, `features`, sizes of the model and its `code`.

    Raises:
        ConfigError: there is no such split, or an override is of another key.
        UserError: there is no such run, it is damaged, or its images are missing.
    """
    from cae.workflows.evaluation import Split, evaluate_one
    from cae.workflows.planning import check_data_overrides

    if split not in get_args(Split):
        raise ConfigError(f"`split` must be one of {', '.join(get_args(Split))}. Received: split={split!r}.")
    check_data_overrides(overrides)
    directory = open_run(Path(run), tell)
    folder = directory.evaluation if out is None else Path(out)
    return evaluate_one(directory, folder, split=split, overrides=overrides, features=features, again=again, tell=tell)


Config = str | os.PathLike[str] | Mapping[str, Any] | RunConfig


def train(
    config: Config,
    *,
    overrides: Sequence[str] = (),
    runs_dir: str | os.PathLike[str] = "runs",
    resume: bool = False,
    overwrite: bool = False,
    jobs: int | Literal["auto"] = "auto",
    tell: Callable[[str], None] = print,
) -> TrainingResult:
    """Train an autoencoder, or with a `grid` one for each combination; does what `train.py` does.

    A single run is trained in this process, in any thread; those of a grid in others. Ctrl-C, or a
    notebook's stop button, is a KeyboardInterrupt once a checkpoint is written: `resume=True` goes on from there. (So
    it is in the main thread, whose business signals are.) Epochs are shown on stderr. `training.deterministic: true`
    holds for the rest of the process.

    Example:
        result = cae.train({"name": "small", "model": {"encoder": {"filters": [16, 32]}}, "training": {"epochs": 3}})
        result.summary["best"]["val_psnr"]
        model = result.load()

    Args:
        config: a YAML file, the same keys as nested dictionaries, or a RunConfig. In a dictionary relative paths, also
            that of `extends`, start from the current folder.
        overrides: as `--set` on the command line: `KEY=VALUE` with a dotted key and a YAML value.
        runs_dir: where runs are kept; each is at RUNS_DIR/EXPERIMENT/NAME.
        resume: go on with a run exactly where its checkpoint is, or take it as it is if it is finished. A grid always
            does. With more `training.epochs` than before, the run goes on for longer.
        overwrite: start afresh what is there already.
        jobs: how many runs of a grid are trained side by side; by default as many as cores, memory and their number
            allow.
        tell: is given a line for the user now and then.

    Returns:
        The run directory or directories, with what they hold.

    Raises:
        ConfigError: the configuration is wrong, with a line for each problem; or a run is there already.
        UserError: images are missing or damaged, the loss is no longer finite, or runs of a grid failed.
        OSError: the disk is full, or a file cannot be written.
    """
    from cae.workflows.training import TrainingJob, train_one

    if resume and overwrite:
        raise ConfigError("`resume` and `overwrite` exclude each other. Received: resume=True, overwrite=True.")
    checked = _checked(config, overrides)
    job = TrainingJob(checked, _source(config), Path(runs_dir), resume, overwrite, tell, jobs)
    if checked.grid:
        return _train_grid(job)
    _stop_if_told(train_one(job).exit_code)
    return TrainingResult([Run(job.directory.path)], job.experiment)


def tune(
    config: Config,
    *,
    overrides: Sequence[str] = (),
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 200,
    tell: Callable[[str], None] = print,
) -> RangeTest:
    """Find a learning rate by a short training whose rate rises step by step; does what `python -m cae tune` does.

    Nothing is written. See Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.

    Example:
        found = cae.tune("configs/quickstart.yaml")
        cae.train("configs/quickstart.yaml", overrides=[f"training.optimizer.learning_rate={found.suggestion}"])

    Args:
        config: as for `train`, without a grid.
        overrides: as for `train`.
        lowest: the rate of the first step.
        highest: the rate of the last step, which is not taken where the loss diverges before.
        steps: at most so many.
        tell: is given a line for the user now and then.

    Returns:
        `suggestion`, a tenth of `lowest_at`, which is the rate at which the loss was lowest; and for each step
        `rates`, `losses` and `smoothed`.

    Raises:
        ConfigError: the configuration is wrong, or it has a grid.
        UserError: images are missing or damaged, or the loss falls at no rate.
    """
    from cae.workflows.training import TrainingJob, find_learning_rate

    job = TrainingJob(_checked(config, overrides), _source(config), Path("runs"), tell=tell)
    return find_learning_rate(job, lowest, highest, steps, lambda done, total: None)


def _train_grid(job: TrainingJob) -> TrainingResult:
    from cae.commands.main import main
    from cae.config.registration import check_other_processes_know
    from cae.workflows.training import find_grid, train_grid

    combinations = find_grid(job)
    check_other_processes_know(combination.config.model for combination in combinations)
    paths, exit_code = train_grid(job, program=main)
    _stop_if_told(exit_code)
    if exit_code:
        missing = [combination.config.name for combination in combinations if combination.directory.path not in paths]
        raise UserError(
            f"{job.source}: {len(missing)} of {len(combinations)} runs are not trained, for the reasons above:"
            f" {', '.join(missing)}."
        )
    return TrainingResult([Run(path) for path in paths], job.experiment)


def _checked(config: Config, overrides: Sequence[str]) -> RunConfig:
    if isinstance(config, RunConfig):
        return check_config(config.model_dump(), overrides)
    if isinstance(config, Mapping):
        return check_config(config, overrides)
    return load_config(os.fspath(config), overrides)


def _source(config: Config) -> Path:
    return Path(PLACE.source) if isinstance(config, Mapping | RunConfig) else Path(config)


def _stop_if_told(exit_code: int) -> None:
    """Hand a stop signal on to whom it was meant for, after it has waited for the checkpoint."""
    if exit_code > 128:
        signal.raise_signal(exit_code - 128)
